"""What the markers of FastAPI and of Litestar say of an argument: `Query()`, `Header()`, `Body()` and their like.

FastAPI need not be installed: its markers are known by the names of their classes.
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from litestar.params import BodyKwarg, CookieParameter, DependencyKwarg, HeaderParameter, ParameterKwarg, PathParameter

_CONSTRAINTS = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern")
_TEXTS = ("title", "description")

# Classes of FastAPI's module of markers.
_KINDS = {"Query": "query", "Header": "header", "Cookie": "cookie", "Path": "path", "Body": "body"}
_FORMS = ("Form", "File")


class Source(NamedTuple):
    """Where an argument comes from.

    Attributes:
        kind: `query`, `header`, `cookie`, `path` or `body`.
        name: Its name there, if not its own.
        constraints: What it has to keep to.
        marker: Litestar's marker of a body, which says all.
        is_embedded: Whether a body has it as a member, even if it is the only one.
        is_form: Whether the body is a form.
        problem: Why it cannot be read.
    """

    kind: str
    name: str | None = None
    constraints: dict[str, Any] = {}  # noqa: RUF012  # nobody writes to it
    marker: BodyKwarg | None = None
    is_embedded: bool = False
    is_form: bool = False
    problem: str = ""


def marker_of(annotation: Any, default: Any) -> tuple[Source | None, Any]:
    """Return what a marker says of an argument, if it has one, and its default.

    Args:
        annotation: The argument's annotation, whose metadata may be a marker.
        default: Its default, which may be a marker.
    """
    for marker in reversed(getattr(annotation, "__metadata__", ())):
        source = _source(marker)
        if source is not None:
            own = _default(marker)
            return source, own if default is inspect.Parameter.empty else default
    source = _source(default)
    return (source, _default(default)) if source is not None else (None, default)


def _source(marker: Any) -> Source | None:
    if isinstance(marker, BodyKwarg):
        return Source("body", marker=marker)
    if isinstance(marker, DependencyKwarg):
        return Source("dependency", problem="custom handlers have no dependencies; call the function in the method")
    if isinstance(marker, ParameterKwarg):
        return _of_litestar(marker)
    kinds = [kind for kind in type(marker).__mro__ if kind.__module__ == "fastapi.params"]
    return _of_fastapi(marker, [kind.__name__ for kind in kinds]) if kinds else None


def _of_litestar(marker: ParameterKwarg) -> Source:
    kind, name = "query", marker.query
    if isinstance(marker, HeaderParameter) or marker.header:
        kind, name = "header", marker.header
    elif isinstance(marker, CookieParameter) or marker.cookie:
        kind, name = "cookie", marker.cookie
    elif isinstance(marker, PathParameter):
        kind = "path"
    return Source(kind, marker.name or name, _constraints(marker))


def _of_fastapi(marker: Any, names: list[str]) -> Source:
    if "Depends" in names:
        return Source("dependency", problem="Depends() of FastAPI is not offered; call the function in the method")
    kind = next((_KINDS[name] for name in names if name in _KINDS), "query")
    name = marker.alias
    if kind == "header" and name is None and not marker.convert_underscores:
        return Source(kind, problem="a header cannot have underscores here; give it an alias")
    constraints = _constraints(marker)
    for rule in marker.metadata:
        constraints |= _constraints(rule)
    return Source(
        kind,
        name,
        constraints,
        is_embedded=bool(getattr(marker, "embed", False)),
        is_form=any(form in names for form in _FORMS),
    )


def _constraints(marker: Any) -> dict[str, Any]:
    values = {name: getattr(marker, name, None) for name in (*_CONSTRAINTS, *_TEXTS)}
    return {name: value for name, value in values.items() if value is not None}


def _default(marker: Any) -> Any:
    """Return the default that a marker holds; none where it says that it has none, in whichever way."""
    value = getattr(marker, "default", ...)
    if value is ... or getattr(value, "__name__", type(value).__name__) in ("Empty", "PydanticUndefinedType"):
        factory = getattr(marker, "default_factory", None)
        return inspect.Parameter.empty if factory is None else factory()
    return value
