"""A transport that sends what is written in one turn of the loop in one piece.

uvicorn writes a response's head and its body one after the other, and each write is a system call that wakes the
client. For a small answer the second one costs as much as the whole model (benchmarks/rest.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

# More than this is sent at once: to copy it would cost more than the call, and a sender has to notice a full socket.
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
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: Any) -> None:
        """Send the data at the end of this turn of the loop, after what was written before."""
        self._size += len(data)
        if self._size > _LARGE:
            self._flush()
            self._transport.write(data)
            return
        if not self._pieces:
            self._call_soon(self._flush)
        # A view may be of an array that the model, asked again in this very turn, fills anew.
        self._pieces.append(data if type(data) is bytes else bytes(data))

    def close(self) -> None:
        """Send what was written, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        self._size = 0
        if pieces and not self._transport.is_closing():  # the client may have gone since
            self._transport.write(b"".join(pieces))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
