"""How far the run may be ahead of its oldest open line, and in which order answers are written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from command_infer.done import Done
    from command_infer.lines import Line

_MOST_BYTES = 64 * 2**20
"""Of lines under way and of answers that are not written yet."""


class Answered(NamedTuple):
    """A line with its answer."""

    line: Line
    text: bytes


class Window:
    """Lines under way, and answers that wait for their turn. However large the input is, they are bounded.

    Args:
        done: The lines that have been answered already; it is kept up.
        is_ordered: Whether an answer waits for those of earlier lines.
        most_lines: How many lines after the oldest open one may be begun.
    """

    def __init__(self, done: Done, is_ordered: bool, most_lines: int) -> None:
        self._done = done
        self._is_ordered = is_ordered
        self._most_lines = most_lines
        self._waiting: dict[int, Answered] = {}
        self._next = done.first_open
        self._held = 0
        self._changed = asyncio.Event()

    async def admit(self, line: Line) -> None:
        """Wait until there is room for a line."""
        size = len(line.text or b"")
        while line.index - self._done.first_open >= self._most_lines or (
            self._held and self._held + size > _MOST_BYTES
        ):
            self._changed.clear()
            await self._changed.wait()
        self._held += size

    def answer(self, line: Line, text: bytes) -> list[Answered]:
        """Take an answer, and return what can be written now."""
        self._held += len(text) - len(line.text or b"")
        answered = Answered(line, text)
        if not self._is_ordered:
            return [answered]
        self._waiting[line.index] = answered
        ready = []
        while self._next in self._waiting:
            ready.append(self._waiting.pop(self._next))
            self._next += 1
        return ready

    def written(self, answered: Answered) -> None:
        """Note that an answer has been written, which makes room."""
        self._held -= len(answered.text)
        self._done.add(answered.line.index)
        self._changed.set()
