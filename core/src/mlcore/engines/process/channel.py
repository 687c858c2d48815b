"""A channel: frames over a stream socket, both ways, on an event loop; large payloads through shared memory.

Small frames arrive many at a time in one buffer, and may leave so. A large payload is written once, into the area that
both ends share, and its frame only says where; if there is no room, it comes through the socket, straight into the
memory that it stays in. `benchmarks/ipc.py` has the figures that both sizes come from.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mlcore.engines.process.frames import HEADER, KINDS, Frame, Kind, facts_of, head_of
from mlcore.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlcore_protocol import Buffer

    from mlcore.engines.process.shared_area import SharedArea

log = get_logger("mlcore.workers")

_BULK = 256 * 1024
# A payload of at least this size goes through the shared area: from here on that costs less, by `benchmarks/ipc.py`.
LARGE = 16 * 1024
# The most frames that wait to leave together: the other end begins with the first ones meanwhile.
_MOST_JOINED = 32
# Arrays are views of payloads: a payload starts so that what follows a JSON head is aligned.
_ALIGNMENT = 16


class Channel(asyncio.BufferedProtocol):
    """One end of a channel.

    Args:
        on_frame: Called with each frame that arrives.
        on_close: Called once, when the other end has gone.
        outgoing: The area that this end writes large payloads to.
        incoming: The area that the other end does.
    """

    def __init__(
        self,
        on_frame: Callable[[Frame], None],
        on_close: Callable[[], None],
        outgoing: SharedArea | None = None,
        incoming: SharedArea | None = None,
    ) -> None:
        self._on_frame = on_frame
        self._on_close = on_close
        self._outgoing = outgoing
        self._incoming = incoming
        self._bulk = memoryview(bytearray(_BULK))
        self._filled = 0
        self._joined: list[Buffer] = []
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
        may_wait: bool = False,
    ) -> None:
        """Send a frame; the payload may be in pieces.

        Args:
            kind: What it is for.
            number: The exchange that it belongs to.
            facts: Plain data, by kind.
            payload: Bytes that nobody in between looks at.
            head_length: Bytes of the JSON head in front of binary tensors, where the payload has one.
            may_wait: Whether it may leave at the end of the loop's turn, with those that follow it till then: one
                system call for many, and one read at the other end.

        Raises:
            ConnectionResetError: The other end has gone.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the other end of the channel has gone")
        length = sum(map(len, payload))
        if length < LARGE:
            frame = b"".join((head_of(kind, number, facts, head_length, length, 0), *payload))
            if may_wait:
                self._join(frame)
            else:
                self._flush()
                self._transport.write(frame)
            return
        self._flush()
        start = self._outgoing.put(payload, length, head_length) if self._outgoing is not None else None
        self._transport.write(head_of(kind, number, facts, head_length, length, start or 0))
        if start is None:
            for piece in payload:
                self._transport.write(piece)

    def _join(self, frame: bytes) -> None:
        if not self._joined:
            self._loop.call_soon(self._flush)
        self._joined.append(frame)
        if len(self._joined) == _MOST_JOINED:
            self._flush()

    def _flush(self) -> None:
        if self._joined:
            joined = b"".join(self._joined)
            self._joined.clear()
            if self._transport is not None and not self._transport.is_closing():
                self._transport.write(joined)

    async def drained(self) -> None:
        """Wait until the other end has taken most of what was sent."""
        await self._may_write.wait()

    def close(self) -> None:
        """Close this end."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def let_go(self) -> None:
        """Let go of the areas: nothing is sent or received any more, but what has arrived stays."""
        for area in (self._outgoing, self._incoming):
            if area is not None:
                area.close()
        self._outgoing = self._incoming = None

    def pause_writing(self) -> None:
        """Note that the socket is full, as asyncio calls it."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Note that the socket has room again, as asyncio calls it."""
        self._may_write.set()

    # --- receiving ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, as asyncio gives it."""
        self._loop = asyncio.get_running_loop()
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
        try:
            taken = self._take_frames()
        except Exception:  # bytes that no end of ours sends: code of a model wrote to a descriptor that is not its own
            log.exception("a channel to a worker carries something else than frames")
            self._filled = 0
            self.close()
            return
        left = self._filled - taken
        self._bulk[:left] = bytes(self._bulk[taken : self._filled])
        self._filled = left

    def _take_frames(self) -> int:
        """Hand on the frames that have arrived, and return how many bytes they were."""
        position = 0
        while self._filled - position >= HEADER.size:
            kind, number, facts_length, head, length, start = HEADER.unpack_from(self._bulk, position)
            end = position + HEADER.size + facts_length
            if end > self._filled:
                if HEADER.size + facts_length > len(self._bulk):
                    self._grow(HEADER.size + facts_length)
                break
            frame = Frame(KINDS[kind], number, facts_of(self._bulk[position + HEADER.size : end]))
            frame.head_length = head if head >= 0 else None
            position = end
            if start:
                assert self._incoming is not None, "an end without an area is sent no payload in one"
                frame.payload = self._incoming.get(start, length)
            else:
                there = min(length, self._filled - position)
                payload = _memory(length, frame.head_length)
                payload[:there] = self._bulk[position : position + there]
                frame.payload = payload
                position += there
                if there < length:
                    self._frame, self._payload, self._received = frame, payload, there
                    break
            self._on_frame(frame)
        return position

    def _grow(self, size: int) -> None:
        larger = memoryview(bytearray(2 * size))
        larger[: self._filled] = self._bulk[: self._filled]
        self._bulk = larger


def _memory(length: int, head_length: int | None) -> memoryview:
    padding = -(head_length or 0) % _ALIGNMENT
    return memoryview(bytearray(padding + length))[padding:]
