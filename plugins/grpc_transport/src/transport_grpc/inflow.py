"""What the large requests of one connection hold: beyond a bound they come one after another, the oldest first.

Flow control does it: a call that has to wait is not allowed to send more. Nobody waits for one that waits for him,
since the oldest may always go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport_grpc.stream import Stream


class Inflow:
    """Counts what was taken of requests that are not answered yet.

    Args:
        most: The bytes beyond which calls wait.
        give: Lets a call's client send so many bytes more.
    """

    def __init__(self, most: int, give: Callable[[Stream, int], None]) -> None:
        self._most = most
        self._give = give
        self._held: dict[Stream, int] = {}
        # Requests that are not whole, the oldest first, and what their clients may send as soon as they may go on.
        self._owed: dict[Stream, int] = {}
        self._total = 0

    def take(self, stream: Stream, size: int) -> None:
        """Count bytes of a request that goes on, and let its client send as many again, now or later."""
        self._held[stream] = self._held.get(stream, 0) + size
        self._total += size
        self._owed[stream] = self._owed.get(stream, 0) + size
        if self._may_go_on(stream):
            self._pay(stream)

    def complete(self, stream: Stream) -> None:
        """Note that a request is whole; it is still held."""
        if self._owed.pop(stream, None) is not None:
            self._go_on()

    def release(self, stream: Stream) -> None:
        """Note that a call is over, and let others go on."""
        held = self._held.pop(stream, None)
        if held is not None:
            self._total -= held
            self._owed.pop(stream, None)
            self._go_on()

    def _go_on(self) -> None:
        for stream in list(self._owed):
            if self._may_go_on(stream):
                self._pay(stream)

    def _pay(self, stream: Stream) -> None:
        size, self._owed[stream] = self._owed[stream], 0
        if size:
            self._give(stream, size)

    def _may_go_on(self, stream: Stream) -> bool:
        return self._total <= self._most or next(iter(self._owed)) is stream
