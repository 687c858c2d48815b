"""Which lines of the input have their answers."""

from __future__ import annotations


class Done:
    """A set of line numbers, from 0, that takes little room: those without a gap are one number.

    Attributes:
        first_open: The first line that is not done.
    """

    def __init__(self) -> None:
        self.first_open = 0
        self._beyond: set[int] = set()

    def __contains__(self, index: int) -> bool:
        return index < self.first_open or index in self._beyond

    def __len__(self) -> int:
        return self.first_open + len(self._beyond)

    @property
    def has_gaps(self) -> bool:
        """Whether a line is done that comes after one that is not."""
        return bool(self._beyond)

    @property
    def last(self) -> int:
        """The last line that is done; -1 if there is none."""
        return max(self._beyond, default=self.first_open - 1)

    def add(self, index: int) -> None:
        """Add a line."""
        if index != self.first_open:
            self._beyond.add(index)
            return
        self.first_open += 1
        while self.first_open in self._beyond:
            self._beyond.remove(self.first_open)
            self.first_open += 1
