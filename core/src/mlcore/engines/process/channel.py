"""A channel: frames over a stream socket, both ways, on an event loop.

Small frames arrive many at a time in one buffer; a large payload is received straight into the memory that it stays in.
Source: `benchmarks/` of the two shapes; asyncio's own streams cost twice as much for small frames.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mlcore.engines.process.frames import HEADER, Frame, Kind, facts_of, head_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlcore_protocol import Buffer

_BULK = 256 * 1024
# A payload of at least this size is joined to no other bytes before it is sent.
_LARGE = 64 * 1024
# Arrays are views of payloads: a payload starts so that what follows a JSON head is aligned.
_ALIGNMENT = 16


class Channel(asyncio.BufferedProtocol):
    """One end of a channel.

    Args:
        on_frame: Called with each frame that arrives.
        on_close: Called once, when the other end has gone.
    """

    def __init__(self, on_frame: Callable[[Frame], None], on_close: Callable[[], None]) -> None:
        self._on_frame = on_frame
        self._on_close = on_close
        self._bulk = memoryview(bytearray(_BULK))
        self._filled = 0
        self._transport: asyncio.Transport | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        # The large payload that is arriving: its frame, its memory, and how much of it is there.
        self._frame: Frame | None = None
        self._payload = memoryview(b"")
        self._received = 0

    # --- sending ---

    def send(
        self,
        kind: Kind,
        number: int,
        facts: Any = None,
        payload: Sequence[Buffer] = (),
        head_length: int | None = None,
    ) -> None:
        """Send a frame; the payload may be in pieces.

        Raises:
            ConnectionResetError: The other end has gone.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the other end of the channel has gone")
        length = sum(len(piece) for piece in payload)
        head = head_of(kind, number, facts, head_length, length)
        if length < _LARGE:
            self._transport.write(b"".join((head, *payload)))
        else:
            self._transport.write(head)
            for piece in payload:
                self._transport.write(piece)

    async def drained(self) -> None:
        """Wait until the other end has taken most of what was sent."""
        await self._may_write.wait()

    def close(self) -> None:
        """Close this end."""
        if self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        """Note that the socket is full, as asyncio calls it."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Note that the socket has room again, as asyncio calls it."""
        self._may_write.set()

    # --- receiving ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, as asyncio gives it."""
        self._transport = transport  # type: ignore[assignment]  # a stream socket's is a Transport

    def connection_lost(self, error: Exception | None) -> None:
        """Say that the other end has gone, as asyncio tells it."""
        self._may_write.set()
        self._on_close()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        if self._frame is not None:
            return self._payload[self._received :]
        return self._bulk[self._filled :]

    def buffer_updated(self, count: int) -> None:
        """Take the bytes that have arrived, and hand on every frame that is whole."""
        if self._frame is not None:
            self._received += count
            if self._received == len(self._payload):
                frame, self._frame, self._payload = self._frame, None, memoryview(b"")
                self._on_frame(frame)
            return
        self._filled += count
        position = 0
        while self._filled - position >= HEADER.size:
            kind, number, facts_length, head_length, payload_length = HEADER.unpack_from(self._bulk, position)
            start = position + HEADER.size + facts_length
            if start > self._filled:
                if HEADER.size + facts_length > _BULK:
                    self._grow(HEADER.size + facts_length)
                break
            facts = facts_of(self._bulk[position + HEADER.size : start])
            frame = Frame(Kind(kind), number, facts, head_length if head_length >= 0 else None)
            there = min(payload_length, self._filled - start)
            payload = _memory(payload_length, frame.head_length)
            payload[:there] = self._bulk[start : start + there]
            frame.payload = payload
            position = start + there
            if there < payload_length:
                self._frame, self._payload, self._received = frame, payload, there
            else:
                self._on_frame(frame)
        left = self._filled - position
        self._bulk[:left] = bytes(self._bulk[position : self._filled])
        self._filled = left

    def _grow(self, size: int) -> None:
        larger = memoryview(bytearray(2 * size))
        larger[: self._filled] = self._bulk[: self._filled]
        self._bulk = larger


def _memory(length: int, head_length: int | None) -> memoryview:
    padding = -(head_length or 0) % _ALIGNMENT
    return memoryview(bytearray(padding + length))[padding:]
