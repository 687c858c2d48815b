"""Where the arguments of a custom handler come from, by their types, as users of FastAPI and of Litestar write them.

Simple types are read from the path or the query, everything else from the body; markers of either library say
otherwise. Each argument becomes a parameter that Litestar reads, or a value of the request itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Hashable
from copy import deepcopy
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_type_hints

import msgspec
from litestar import Request
from litestar.datastructures import Headers, MultiDict, UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import (
    BodyKwarg,
    CookieParameter,
    HeaderParameter,
    ParameterKwarg,
    PathParameter,
    QueryParameter,
    QueryParams,
    RawBody,
    RequestCookies,
)
from mlcore.errors import ModelLoadError
from mlcore.types import InferenceRequest, InferenceResponse
from mlcore_protocol.v2_format import V2Format

from transport_rest.handler_body import BODY, HandlerBody
from transport_rest.handler_markers import Source, marker_of
from transport_rest.handler_types import bare, is_simple, is_simple_list

if TYPE_CHECKING:
    from mlcore.handlers import CustomHandler

Reader = Callable[[Request[Any, Any, Any], dict[str, Any]], Awaitable[dict[str, Any]]]
"""Gives some arguments of the method, of the request and of what Litestar has read."""

_PARAMETERS: dict[str, type[ParameterKwarg]] = {
    "query": QueryParameter,
    "header": HeaderParameter,
    "cookie": CookieParameter,
    "path": PathParameter,
}

# What Litestar reads in a way of its own.
_RESERVED = {"request", "socket", "data", "state", "headers", "cookies", "query", "scope", "body"}


class Arguments(NamedTuple):
    """What a custom handler takes and gives.

    Attributes:
        parameters: What Litestar reads.
        read: What makes the method's arguments of that.
        result: The type of its result.
        names: What clients call those parameters that have another name.
    """

    parameters: list[inspect.Parameter]
    read: list[Reader]
    result: Any
    names: dict[str, str]


class _BodyPart(NamedTuple):
    name: str
    annotation: Any
    default: Any
    source: Source


def arguments_of(handler: CustomHandler) -> Arguments:
    """Return where the arguments of a handler come from.

    Raises:
        ModelLoadError: One cannot be read from a request; the message names it.
    """
    reading = _Reading(handler)
    for parameter in inspect.signature(handler.method).parameters.values():
        reading.add(parameter)
    return reading.done()


class _Reading:
    """Goes through the parameters of one method."""

    def __init__(self, handler: CustomHandler) -> None:
        self._handler = handler
        self._hints = hints_of(handler)
        self._path = {part[1:-1].partition(":")[0] for part in handler.rest_path.split("/") if part.startswith("{")}
        self._parameters = [_parameter("request", Request, inspect.Parameter.empty)]
        self._read: list[Reader] = []
        self._body: list[_BodyPart] = []
        self._names: dict[str, str] = {}

    def add(self, parameter: inspect.Parameter) -> None:
        """Find out where one argument comes from."""
        name = parameter.name
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise self._wrong(name, "it can only be an argument with a name of its own")
        annotation = self._hints.get(name, Any)
        source, default = marker_of(annotation, parameter.default)
        if source is not None and source.problem:
            raise self._wrong(name, source.problem)
        kind = bare(annotation)
        if name in self._path:
            self._add_parameter(name, "path", annotation, parameter.empty, source)
        elif source is not None and source.kind == "body":
            self._body.append(_BodyPart(name, annotation, default, source))
        elif source is not None:
            self._add_parameter(name, source.kind, annotation, default, source)
        elif value := _of_request(name, kind):
            self._read.append(_given_by(name, value))
        elif is_simple(kind) or (self._handler.rest_method == "GET" and is_simple_list(kind)):
            self._add_parameter(name, "query", annotation, default, None)
        else:
            self._body.append(_BodyPart(name, annotation, default, Source("body")))

    def done(self) -> Arguments:
        """Return what was found."""
        missing = self._path - {parameter.name for parameter in self._parameters}
        if missing:
            raise ModelLoadError(
                f"custom handler '{self._handler.name}': {self._handler.rest_method} {self._handler.rest_path} has "
                f"the parameter '{min(missing)}', but the method has no argument of that name"
            )
        if self._body:
            self._add_body()
        return Arguments(self._parameters, self._read, _result_of(self._hints.get("return", Any)), self._names)

    def _add_parameter(self, name: str, kind: str, annotation: Any, default: Any, source: Source | None) -> None:
        known = (source.name if source is not None else None) or (name.replace("_", "-") if kind == "header" else name)
        ours = f"{name}_" if name in _RESERVED else name
        if kind == "path" and ours != name:
            raise self._wrong(name, "a parameter of the path cannot have this name; choose another one")
        self._names[ours] = known
        more = source.constraints if source is not None else {}
        self._take(name, ours, _unmarked(annotation), _PARAMETERS[kind](name=known, **more), default)

    def _take(self, name: str, ours: str, annotation: Any, marker: Any, default: Any) -> None:
        """Let Litestar read an argument of the method under another name."""
        if isinstance(default, Hashable):
            self._parameters.append(_parameter(ours, Annotated[annotation, marker], default))
            self._read.append(_read_as(name, ours))
        else:  # a list, say, which Litestar cannot have as a default, and calls must not share
            self._parameters.append(_parameter(ours, Annotated[annotation | None, marker], None))
            self._read.append(_read_or_copy(name, ours, default))

    def _add_body(self) -> None:
        if self._handler.rest_method == "GET":
            raise self._wrong(
                self._body[0].name,
                "a GET request has no body to read it from; give it a simple type, or another method",
            )
        only = self._body[0] if len(self._body) == 1 else None
        is_form = any(part.source.is_form or _is_file(part.annotation) for part in self._body)
        if only is not None and only.source.marker is not None:  # Litestar's own says all
            self._take(only.name, "data", _unmarked(only.annotation), only.source.marker, only.default)
        elif only is not None and not only.source.is_embedded and not is_form:
            marker = BodyKwarg(media_type=RequestEncodingType.JSON, **only.source.constraints)
            self._take(only.name, "data", _unmarked(only.annotation), marker, only.default)
        else:
            members = [_member(part) for part in self._body]
            # Named like the method, which is what the document of the API shows.
            kind = msgspec.defstruct(f"{self._handler.name}_body", members, kw_only=True)
            media_type = RequestEncodingType.JSON
            if is_form:
                has_file = any(_is_file(part.annotation) for part in self._body)
                media_type = RequestEncodingType.MULTI_PART if has_file else RequestEncodingType.URL_ENCODED
            annotation = Annotated[kind, BodyKwarg(media_type=media_type)]  # type: ignore[valid-type]  # made here
            self._parameters.append(_parameter("data", annotation, inspect.Parameter.empty))
            self._read.append(_spread([part.name for part in self._body]))

    def _wrong(self, name: str, problem: str) -> ModelLoadError:
        return ModelLoadError(f"custom handler '{self._handler.name}': argument '{name}': {problem}")


def hints_of(handler: CustomHandler) -> dict[str, Any]:
    """Return the annotations of a handler's method.

    Raises:
        ModelLoadError: They cannot be read.
    """
    function = inspect.unwrap(getattr(handler.method, "__func__", handler.method))
    try:
        return get_type_hints(function, include_extras=True)
    except Exception as error:  # an annotation may be any expression
        raise ModelLoadError(
            f"custom handler '{handler.name}': its annotations cannot be read: {type(error).__name__}: {error}"
        ) from error


def _of_request(name: str, kind: Any) -> Callable[[Request[Any, Any, Any]], Any] | None:
    """Return what gives an argument that is a value of the request itself; `None` if it is none."""
    if not isinstance(kind, type):
        kind = getattr(kind, "__origin__", kind)
    if isinstance(kind, type) and issubclass(kind, Request):
        return lambda request: request
    if isinstance(kind, type) and any(known.__module__ == "starlette.requests" for known in kind.__mro__):
        return lambda request: kind(request.scope, _body_of(request).receive())
    if kind is InferenceRequest:
        return lambda request: V2Format().decode(_body_of(request).body)
    if kind in (bytes, RawBody):
        return lambda request: request.body()
    if kind is Headers or (name == "headers" and kind is dict):
        return lambda request: request.headers if kind is Headers else dict(request.headers)
    if kind is RequestCookies or (name == "cookies" and kind is dict):
        return lambda request: request.cookies
    if kind is QueryParams or (name == "query" and kind in (dict, MultiDict)):
        return lambda request: request.query_params.dict() if kind is dict else request.query_params
    return None


def _body_of(request: Request[Any, Any, Any]) -> HandlerBody:
    return request.scope[BODY]  # type: ignore[literal-required, no-any-return]  # a scope may hold more


def _given_by(name: str, value: Callable[[Request[Any, Any, Any]], Any]) -> Reader:
    async def read(request: Request[Any, Any, Any], given: dict[str, Any]) -> dict[str, Any]:
        found = value(request)
        return {name: await found if inspect.isawaitable(found) else found}

    return read


def _read_as(name: str, ours: str) -> Reader:
    async def read(request: Request[Any, Any, Any], given: dict[str, Any]) -> dict[str, Any]:
        return {name: given[ours]}

    return read


def _read_or_copy(name: str, ours: str, default: Any) -> Reader:
    async def read(request: Request[Any, Any, Any], given: dict[str, Any]) -> dict[str, Any]:
        return {name: deepcopy(default) if given[ours] is None else given[ours]}

    return read


def _spread(names: list[str]) -> Reader:
    async def read(request: Request[Any, Any, Any], given: dict[str, Any]) -> dict[str, Any]:
        return {name: getattr(given["data"], name) for name in names}

    return read


def _member(part: _BodyPart) -> tuple[str, Any, Any]:
    annotation = _unmarked(part.annotation)
    if part.source.constraints:
        annotation = Annotated[annotation, msgspec.Meta(**part.source.constraints)]
    if part.default is inspect.Parameter.empty:
        return part.name, annotation, msgspec.field(name=part.source.name)
    return part.name, annotation, msgspec.field(default_factory=lambda: deepcopy(part.default), name=part.source.name)


def _is_file(annotation: Any) -> bool:
    kinds = [annotation, *get_args(annotation)]
    return any(isinstance(kind, type) and issubclass(kind, UploadFile) for kind in kinds)


def _unmarked(annotation: Any) -> Any:
    """Return an annotation without the markers of a library, which the parameter gets anew."""
    return annotation.__origin__ if hasattr(annotation, "__metadata__") else annotation


def _result_of(annotation: Any) -> Any:
    kind = bare(annotation)
    if isinstance(kind, type) and any(known.__module__.startswith("starlette.") for known in kind.__mro__):
        return Any
    return Any if kind in (None, type(None), InferenceResponse) else annotation


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
