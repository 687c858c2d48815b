"""How much of something free of charge a client may do before it is asked to calm down."""

from __future__ import annotations

import time


class Budget:
    """A number of acts that one client may spend, and that comes back with time and with real work.

    Only the peer that floods spends faster than it earns: real clients reset streams and send pings too, but in
    proportion to their calls.

    Args:
        size: The most acts at once.
        per_second: How many come back in each second.
    """

    __slots__ = ("_left", "_per_second", "_seen", "_size")

    def __init__(self, size: int, per_second: float) -> None:
        self._size = size
        self._per_second = per_second
        self._left = float(size)
        self._seen = time.monotonic()

    def earn(self, acts: int = 1) -> None:
        """Give acts back, because real work was done."""
        self._left = min(self._size, self._left + acts)

    def spend(self) -> bool:
        """Spend one act; say whether it was there."""
        self._left -= 1
        if self._left >= 0:
            return True
        now = time.monotonic()
        self._left = min(self._size, self._left + (now - self._seen) * self._per_second)
        self._seen = now
        return self._left >= 0
