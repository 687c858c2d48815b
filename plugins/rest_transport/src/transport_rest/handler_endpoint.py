"""One custom handler as a function that Litestar understands: arguments by its markers, results by its responses."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response
from mlcore.types import InferenceRequest, InferenceResponse

from transport_rest.handler_arguments import arguments_of, hints_of
from transport_rest.handler_types import bare

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcore.handlers import CustomHandler

_PARAMETER = re.compile(r"\{(\w+)\}")


def endpoint_of(handler: CustomHandler) -> tuple[Callable[..., Any], str, dict[str, str]]:
    """Return what Litestar calls, the path in its spelling, and what clients call its parameters.

    Raises:
        ModelLoadError: An argument cannot be read from a request.
    """
    arguments = arguments_of(handler)
    call = handler.call

    async def endpoint(**given: Any) -> Any:
        request: Request[Any, Any, Any] = given["request"]
        values: dict[str, Any] = {}
        for argument in arguments.read:
            values |= await argument(request, given)
        return _result(await call(values))

    endpoint.__name__ = endpoint.__qualname__ = handler.name
    endpoint.__doc__ = handler.method.__doc__
    endpoint.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # a function has what it is given
        arguments.parameters, return_annotation=arguments.result
    )
    endpoint.__annotations__ = {parameter.name: parameter.annotation for parameter in arguments.parameters}
    endpoint.__annotations__["return"] = arguments.result
    return endpoint, _PARAMETER.sub(r"{\1:str}", handler.rest_path), arguments.names


def is_response(annotation: Any) -> bool:
    """Say whether a result's type is a response of Litestar."""
    kind = bare(annotation)
    kind = getattr(kind, "__origin__", kind)
    return isinstance(kind, type) and issubclass(kind, Response)


def with_messages(handler: CustomHandler, operation: dict[str, Any]) -> dict[str, Any]:
    """Return what OpenAPI says of a handler, with the messages of the protocol that it takes and gives."""
    hints = hints_of(handler)
    result = hints.pop("return", None)
    if any(bare(kind) is InferenceRequest for kind in hints.values()):
        operation = {**operation, "requestBody": {"required": True, "content": _message("InferenceRequest")}}
    if bare(result) is InferenceResponse:
        operation = {
            **operation,
            "responses": {"200": {"description": "Done.", "content": _message("InferenceResponse")}},
        }
    return operation


def _message(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


class _Foreign(Response[Any]):
    """A response of Starlette or FastAPI, which sends itself."""

    def __init__(self, response: Any) -> None:
        super().__init__(None)
        self._response = response

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        return self._response


def _result(result: Any) -> Any:
    """Return a result as what is sent for it: JSON, unless it is a response or bytes."""
    if isinstance(result, Response):
        return result
    if isinstance(result, bytes):
        return Response(result, media_type="application/octet-stream")
    if isinstance(result, InferenceResponse):
        return Response(result.model_dump_json().encode(), media_type="application/json")
    if result is None or isinstance(result, str):
        return Response(msgspec.json.encode(result), media_type="application/json")
    if any(kind.__module__.startswith("starlette.") and kind.__name__ == "Response" for kind in type(result).__mro__):
        return _Foreign(result)
    return result
