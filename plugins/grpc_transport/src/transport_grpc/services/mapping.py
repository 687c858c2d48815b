"""A service's methods as grpclib wants them named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpclib.const import Cardinality, Handler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from transport_grpc.call import ServerCall

    Answering = Callable[[ServerCall], Awaitable[None]]
    Asked = Callable[[Any], Awaitable[Any]]


def handlers(service: str, unary: dict[str, tuple[Asked, type[Any]]]) -> dict[str, Handler]:
    """Return the handlers of methods that take one message and return one."""
    return {
        f"/{service}/{name}": Handler(_answering(method), Cardinality.UNARY_UNARY, kind, object)
        for name, (method, kind) in unary.items()
    }


def _answering(method: Asked) -> Answering:
    async def answer(call: ServerCall) -> None:
        await call.answer(await method(await call.recv_message()))

    return answer
