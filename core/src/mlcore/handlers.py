"""Custom handlers: methods of a model that answer HTTP requests of their own, under paths that the model chooses.

Nothing here knows how arguments are read or results are written: whoever implements `mlcore_handlers` does.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from mlcore.engine import Answer, Call, Handlers
from mlcore.errors import ModelLoadError

if TYPE_CHECKING:
    from mlcore.model import MLModel

HTTP_REQUEST = "message/x-mlcore-http"
"""The media type of a call that is an HTTP request to a custom handler, and of its answers."""

Method = TypeVar("Method", bound=Callable[..., Any])

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_MARK = "__mlcore_handlers__"
_PART = re.compile(r"[^{}]+|\{[A-Za-z_][A-Za-z0-9_]*(:[a-z]+)?\}")


def custom_handler(rest_path: str, rest_method: str = "POST") -> Callable[[Method], Method]:
    """Let a method of a model answer HTTP requests, under a path of the server and under one of the model.

    The method may be plain or `async`. Its arguments are read from the request by their types, and its result is
    written as JSON, or as the response that it is.

    Args:
        rest_path: The path, such as `/explain` or `/items/{item_id}`.
        rest_method: The HTTP method.

    Example:
        class Total(MLModel):
            @custom_handler(rest_path="/total")
            def total(self, payload: list[float]) -> float:
                return sum(payload)
    """

    def mark(method: Method) -> Method:
        # A method may have several paths.
        setattr(method, _MARK, [*getattr(method, _MARK, ()), (rest_path, rest_method)])
        return method

    return mark


class CustomHandler(NamedTuple):
    """One path of one method.

    Attributes:
        name: The method's name.
        method: The method, bound to its model.
        rest_path: Its path, without a slash at the end.
        rest_method: Its HTTP method.
        call: Calls it with arguments by name: on the loop, or in the model's threads if it is plain.
    """

    name: str
    method: Callable[..., Any]
    rest_path: str
    rest_method: str
    call: Callable[[dict[str, Any]], Awaitable[Any]]


class HandlerApp(NamedTuple):
    """What answers the HTTP requests to a model's custom handlers.

    Attributes:
        handlers: What there is to ask, as plain data.
        answer: Answers one call whose media type is `HTTP_REQUEST`.
    """

    handlers: Handlers
    answer: Callable[[Call], AsyncGenerator[Answer, None]]


def marked_methods(model: MLModel) -> list[tuple[str, str, str]]:
    """Return the custom handlers of a model: name, path and HTTP method of each.

    Raises:
        ModelLoadError: A path or a method is not one.
    """
    kind = type(model)
    found = []
    for name in sorted(dir(kind)):
        for path, verb in getattr(inspect.getattr_static(kind, name), _MARK, ()):
            where = f"custom handler '{name}'"
            if not isinstance(path, str) or not path.startswith("/") or not _is_path(path):
                raise ModelLoadError(
                    f"{where}: rest_path: expected a path such as /explain, parts of which may be parameters such as "
                    f"{{item_id}}, got {path!r}"
                )
            if not isinstance(verb, str) or verb.upper() not in _METHODS:
                raise ModelLoadError(f"{where}: rest_method: expected one of {', '.join(_METHODS)}, got {verb!r}")
            found.append((name, path.rstrip("/") or "/", verb.upper()))
    return found


def overlap(one: str, other: str) -> bool:
    """Say whether a request may fit both of two paths, each with parameters or without.

    Args:
        one: A path such as `/items/{item_id}`; `{rest:path}` stands for any number of parts.
        other: Another one.
    """
    ours, theirs = _parts(one), _parts(other)
    for mine, yours in zip(ours, theirs, strict=False):
        if mine.endswith(":path}") or yours.endswith(":path}"):
            return True
        if mine != yours and not mine.startswith("{") and not yours.startswith("{"):
            return False
    return len(ours) == len(theirs)


def clash(handlers: Handlers, others: Iterable[tuple[str, Handlers]]) -> str:
    """Return what is wrong if custom handlers have a path that another model has; empty if nothing is.

    Args:
        handlers: Those of one model.
        others: Those of all others, by the name of their model.
    """
    for route in handlers.routes:
        for name, known in others:
            for other in known.routes:
                if route.rest_method == other.rest_method and overlap(route.rest_path, other.rest_path):
                    return (
                        f"custom handler '{route.name}': {route.rest_method} {route.rest_path} is answered by "
                        f"'{other.name}' of the model '{name}', {other.rest_method} {other.rest_path}, already; change "
                        "the rest_path of one of them"
                    )
    return ""


def handlers_from_facts(facts: Any) -> Handlers:
    """Return custom handlers that were plain data on their way from a worker."""
    return msgspec.convert(facts, Handlers) if facts else Handlers()


def _is_path(path: str) -> bool:
    if re.search(r"[\s?#%\\]", path) or "//" in path:
        return False
    return all(_PART.fullmatch(part) for part in _parts(path))


def _parts(path: str) -> list[str]:
    return path.strip("/").split("/") if path.strip("/") else []
