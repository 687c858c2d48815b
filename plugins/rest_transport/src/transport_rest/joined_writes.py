"""A transport that sends what is written in one turn of the loop in one piece.

uvicorn writes a response's head and its body one after the other, and each write is a system call that wakes the
client. For a small answer the second one costs as much as the whole model (benchmarks/rest.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

# A larger piece is sent as it is: to copy it would cost more than the call.
_LARGE = 64 * 1024


class JoinedWrites:
    """A transport in front of the real one; all but writing and closing is the real one's.

    Args:
        transport: The real one.
        loop: Its event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._pieces: list[Any] = []

    def write(self, data: Any) -> None:
        """Send the data at the end of this turn of the loop, after what was written before."""
        if len(data) > _LARGE:
            self._flush()
            self._transport.write(data)
            return
        if not self._pieces:
            self._call_soon(self._flush)
        self._pieces.append(data)

    def close(self) -> None:
        """Send what was written, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self._transport.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
