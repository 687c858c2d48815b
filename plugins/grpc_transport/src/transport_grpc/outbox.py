"""What leaves on one connection: frames in few large writes, within the windows that the client opens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from transport_grpc.frames import DATA, frame_head, headers_frame, rst_stream_frame

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from mlcore_protocol import Buffer

    from transport_grpc.http2 import Http2Connection
    from transport_grpc.stream import Stream

# Up to this many bytes are joined; to copy more would cost more than the system call with several pieces.
_SHORT = 64 * 1024
# So much of one stream is sent before the next one has its turn.
_TURN = 256 * 1024
# So much is handed to the socket before it has to take some of it.
_HIGH_WATER = 1024 * 1024

_NO_ERROR = 0


class Outbox:
    """Sends frames, and keeps what the client does not take yet.

    Args:
        transport: The connection.
        http2: Its windows.
        loop: Its event loop.
        on_sent: Called with each stream whose last frame is sent.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        http2: Http2Connection,
        loop: asyncio.AbstractEventLoop,
        on_sent: Callable[[Stream], None],
    ) -> None:
        self._transport = transport
        self._http2 = http2
        self._loop = loop
        self._on_sent = on_sent
        self._pieces: list[Buffer] = []
        self._size = 0
        self._is_due = False
        self._is_full = False
        self._waiting: dict[int, Stream] = {}
        self.stuck_since = 0.0
        transport.set_write_buffer_limits(high=_HIGH_WATER)

    @property
    def is_full(self) -> bool:
        """Whether the socket takes no more for now."""
        return self._is_full

    def write(self, piece: Buffer) -> None:
        """Send a piece at the end of this turn of the loop, together with what else is sent in it."""
        self._pieces.append(piece)
        self._size += len(piece)
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Hand everything to the socket now."""
        self._is_due = False
        pieces, size = self._pieces, self._size
        if not pieces:
            return
        self._pieces, self._size = [], 0
        if self._transport.is_closing():  # the client may have gone since
            return
        if size <= _SHORT:
            self._transport.write(b"".join(pieces))
        else:
            self._transport.writelines(pieces)

    def send(self, stream: Stream, buffers: Sequence[Buffer], size: int, trailers: bytes | None = None) -> None:
        """Send a message, and perhaps the end of its call.

        Args:
            stream: The call's stream.
            buffers: The message.
            size: Its bytes.
            trailers: The header block that ends the call.
        """
        if (
            not stream.waiting
            and size <= stream.outbound_flow_control_window
            and size <= self._http2.outbound_flow_control_window
            and size <= self._http2.max_outbound_frame_size
            and not self._is_full
        ):
            stream.outbound_flow_control_window -= size
            self._http2.outbound_flow_control_window -= size
            self.write(frame_head(size, DATA, 0, stream.id))
            for buffer in buffers:
                self.write(_settled(buffer))
            if trailers is not None:
                self._end(stream, trailers)
            return
        if not stream.waiting:
            stream.stuck_since = time.monotonic()
        stream.waiting.extend(_settled(buffer) for buffer in buffers if len(buffer))
        stream.trailers = trailers
        self._waiting[stream.id] = stream
        self.pump()

    def pump(self) -> None:
        """Send what the client takes now of what waits, the streams in turn."""
        while self._waiting and not self._is_full:
            progress = False
            for stream in list(self._waiting.values()):
                progress = self._send_waiting(stream) or progress
                if self._size >= _HIGH_WATER:
                    self.flush()
                    if self._is_full:
                        return
            if not progress:
                return

    def _send_waiting(self, stream: Stream) -> bool:
        """Send a few frames of what waits for a stream; say whether there was room for one."""
        waiting = stream.waiting
        largest = self._http2.max_outbound_frame_size
        room = min(stream.outbound_flow_control_window, self._http2.outbound_flow_control_window, _TURN)
        if waiting and room <= 0:
            return False
        sent = 0
        while waiting and sent < room:
            frame = min(largest, room - sent)
            pieces: list[Buffer] = []
            size = 0
            while waiting and size < frame:
                piece = waiting[0]
                if len(piece) <= frame - size:
                    waiting.popleft()
                else:
                    view = piece if type(piece) is memoryview else memoryview(piece)
                    piece, waiting[0] = view[: frame - size], view[frame - size :]
                pieces.append(piece)
                size += len(piece)
            self._pieces.append(frame_head(size, DATA, 0, stream.id))
            self._pieces += pieces
            sent += size
        stream.outbound_flow_control_window -= sent
        self._http2.outbound_flow_control_window -= sent
        self._size += sent
        self._schedule()
        stream.stuck_since = time.monotonic()
        if not waiting:
            del self._waiting[stream.id]
            if stream.trailers is not None:
                self._end(stream, stream.trailers)
            for waiter in stream.drained:
                if not waiter.done():
                    waiter.set_result(None)
        return True

    def end(self, stream: Stream, trailers: bytes) -> None:
        """End a call, behind what waits for it."""
        if stream.waiting:
            stream.trailers = trailers
        else:
            self._end(stream, trailers)

    def _end(self, stream: Stream, trailers: bytes) -> None:
        self.write(headers_frame(stream.id, trailers, ends_stream=True))
        if not stream.is_ended:
            # The client need not send the rest of its request.
            self.write(rst_stream_frame(stream.id, _NO_ERROR))
        self._on_sent(stream)

    def drop(self, stream: Stream) -> None:
        """Forget what waits for a stream that has gone."""
        self._waiting.pop(stream.id, None)
        stream.waiting.clear()
        for waiter in stream.drained:
            waiter.cancel()

    async def room(self, stream: Stream) -> None:
        """Wait until the client has taken what was sent in a stream."""
        if stream.waiting:
            waiter = self._loop.create_future()
            stream.drained.append(waiter)  # the requests of a stream are answered side by side
            try:
                await waiter
            finally:
                stream.drained.remove(waiter)

    def pause(self) -> None:
        """Note that the socket takes no more for now."""
        self._is_full = True
        self.stuck_since = time.monotonic()

    def resume(self) -> None:
        """Note that the socket takes more."""
        self._is_full = False
        self.pump()

    def stuck(self, before: float) -> list[Stream]:
        """Return the streams of which the client has taken nothing since then."""
        return [stream for stream in self._waiting.values() if stream.stuck_since < before]


def _settled(buffer: Buffer) -> Buffer:
    """Return a buffer that stays as it is until it is sent.

    A view that may be written to may be of an array that the model, asked again in this very turn, fills anew.
    """
    return bytes(buffer) if type(buffer) is memoryview and not buffer.readonly else buffer
