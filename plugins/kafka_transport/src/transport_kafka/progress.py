"""How far a partition is: what may be committed, while messages are answered in any order."""

from __future__ import annotations

import asyncio
from collections import deque


class Progress:
    """The messages of one partition that were taken, and are not all answered.

    Attributes:
        position: The offset to go on from after a restart: everything below it is answered. `None` before the first
            answer.
        committed: The position that the broker knows.
        tasks: What works on messages of the partition.
        letting_go: Set when the partition goes to another server, or this one stops.
    """

    def __init__(self) -> None:
        self.position: int | None = None
        self.committed: int | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.letting_go = asyncio.Event()
        self._taken: deque[int] = deque()
        self._done: set[int] = set()

    @property
    def ahead(self) -> int:
        """How many messages would come again after a restart."""
        return len(self._taken)

    @property
    def lowest(self) -> int | None:
        """The offset of the lowest message without an answer; `None` if there is none."""
        return self._taken[0] if self._taken else None

    def begin(self, offset: int) -> None:
        """Note that a message is taken; they come in the order of their offsets, which may have gaps."""
        self._taken.append(offset)

    def end(self, offset: int) -> bool:
        """Note that a message is answered, and say whether the position has moved."""
        self._done.add(offset)
        has_moved = False
        while self._taken and self._taken[0] in self._done:
            first = self._taken.popleft()
            self._done.remove(first)
            self.position = first + 1
            has_moved = True
        return has_moved
