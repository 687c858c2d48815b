"""The methods that are served, by path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transport_grpc.actions import ACTIONS
from transport_grpc.codec import Untouched

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from grpclib._typing import IServable

    from transport_grpc.call import ServerCall

# Everything but inference is a name or two. The decoder takes some 30 us for each element, so more of them than these
# bytes may hold could keep the event loop, and those above the second number are read in a thread.
_CONTROL_BYTES = 16 * 1024
_CONTROL_BYTES_ON_LOOP = 512


class Method:
    """One method.

    Attributes:
        name: Its full name, `package.Service/Method`.
        action: What it does, as the guard asks for it.
        func: Answers a call of it.
        request_type: The type of its requests.
        streams_in: Whether a call may have several requests.
        limit: The most bytes of a request.
        limit_name: What the limit is, for the error.
        keeps_time: Whether it heeds the call's deadline itself.
        opens_off_loop: From how many bytes on a request is read in a thread; 0 for never.
    """

    __slots__ = (
        "action",
        "func",
        "keeps_time",
        "limit",
        "limit_name",
        "name",
        "opens_off_loop",
        "request_type",
        "streams_in",
    )

    def __init__(
        self,
        name: str,
        func: Callable[[ServerCall], Awaitable[None]],
        request_type: type[Any],
        streams_in: bool,
        max_message_bytes: int,
    ) -> None:
        is_infer = request_type is Untouched
        self.name = name
        self.action = ACTIONS[name]
        self.func = func
        self.request_type = request_type
        self.streams_in = streams_in
        self.keeps_time = is_infer and not streams_in
        self.limit = max_message_bytes if is_infer else min(max_message_bytes, _CONTROL_BYTES)
        self.limit_name = "the setting grpc_max_message_length" if is_infer else "the most for this method"
        self.opens_off_loop = 0 if is_infer else _CONTROL_BYTES_ON_LOOP


def methods_of(services: Iterable[IServable], max_message_bytes: int) -> dict[bytes, Method]:
    """Return the methods of grpclib's services, by path."""
    return {
        path.encode(): Method(
            path.removeprefix("/"),
            handler.func,
            handler.request_type,
            handler.cardinality.client_streaming,
            max_message_bytes,
        )
        for service in services
        for path, handler in service.__mapping__().items()
    }
