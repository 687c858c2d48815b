"""One stream of HTTP/2: windows, and what waits for them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from mlcore_protocol import Buffer

    from transport_grpc.call import ServerCall


class Stream:
    """One stream, as h2's table and the outbox see it.

    Args:
        stream_id: Its number.
        outbound_window: The bytes that the client takes at first.
        inbound_window: The bytes that the client may send at first.
        is_ended: Whether the client sends nothing but its headers.

    Attributes:
        outbound_flow_control_window: Bytes that the client takes now. h2 changes it, and gives it its name.
        max_outbound_frame_size: The largest frame that the client takes. h2 sets it.
        window_left: Bytes that the client may send now.
        window_unsaid: Bytes that were read, and that the client does not know of yet.
        is_ended: Whether the client sends no more.
        call: The call that it carries.
        waiting: Pieces of DATA that wait for the client's window.
        trailers: The header block that follows them, if it is known.
        stuck_since: Since when nothing of them could be sent.
        drained: Those who wait until they are sent.
    """

    __slots__ = (
        "call",
        "drained",
        "id",
        "is_ended",
        "max_outbound_frame_size",
        "outbound_flow_control_window",
        "stuck_since",
        "trailers",
        "waiting",
        "window_left",
        "window_unsaid",
    )

    def __init__(self, stream_id: int, outbound_window: int, inbound_window: int, is_ended: bool) -> None:
        self.id = stream_id
        self.outbound_flow_control_window = outbound_window
        self.max_outbound_frame_size = 0
        self.window_left = inbound_window
        self.window_unsaid = 0
        self.is_ended = is_ended
        self.call: ServerCall | None = None
        self.waiting: deque[Buffer] = deque()
        self.trailers: bytes | None = None
        self.stuck_since = 0.0
        self.drained: list[asyncio.Future[None]] = []
