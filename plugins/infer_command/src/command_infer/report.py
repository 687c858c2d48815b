"""What is said on standard error while lines are answered, and at the end."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress


class Report:
    """Counts, and shows a bar where somebody looks on.

    Args:
        size: Bytes of the input; `None` where they are not known.
        verbosity: 0, 1 to say what fails, 2 to say everything.
        failed_before: Lines that an earlier run has answered with an error.
        done_before: Lines that an earlier run has answered.
        has_bar: Whether to show one.

    Attributes:
        done: Lines that this run has answered.
        failed: How many of them with an error.
        shows_all: Whether requests and answers are to be shown.
    """

    def __init__(self, size: int | None, verbosity: int, done_before: int, failed_before: int, has_bar: bool) -> None:
        self.done = 0
        self.failed = 0
        self._failures: set[int] = set()
        self._verbosity = verbosity
        self.shows_all = verbosity > 1
        self._done_before = done_before
        self._failed_before = failed_before
        self._began = time.monotonic()
        self._bar = _bar(size) if has_bar else None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Say what whoever asked for more wants to know."""
        if self._verbosity:
            self._print(text)

    def show(self, index: int, asked: bytes, answered: bytes) -> None:
        """Say what was asked and answered."""
        self._print(f"line {index + 1} > {asked.decode(errors='replace')}")
        self._print(f"line {index + 1} < {answered.decode(errors='replace')}")

    def line_failed(self, index: int, message: str) -> None:
        """Note that a line has an error for an answer."""
        self._failures.add(index)
        self.say(f"line {index + 1}: {message}")

    def line_written(self, index: int, end: int) -> None:
        """Note that the answer to a line is where it belongs.

        Args:
            index: The line.
            end: How many bytes of the input it and those before it are.
        """
        self.done += 1
        if index in self._failures:
            self._failures.remove(index)
            self.failed += 1
        if self._bar is not None:
            done = self.done + self._done_before
            self._bar.update(self._bar.task_ids[0], completed=end, done=done, failed=self.all_failed)

    @property
    def all_failed(self) -> int:
        """Lines with an error, those of earlier runs among them."""
        return self.failed + self._failed_before

    def summary(self) -> str:
        """Say in one line what was done."""
        took_s = max(time.monotonic() - self._began, 1e-9)
        lines = "line" if self.done == 1 else "lines"
        text = (
            f"{self.done:,} {lines} done, {self.failed:,} of them failed, "
            f"in {took_s:.1f} s ({self.done / took_s:,.0f} a second)"
        )
        if self._done_before:
            text += f"; {self._done_before:,} done earlier, {self._failed_before:,} of them failed"
        return text

    def _print(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{text}\n")


def _bar(size: int | None) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.fields[done]:,} lines"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %" if size else ""),
        TextColumn("{task.fields[failed]:,} failed"),
        TimeRemainingColumn() if size else TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    bar.add_task("", total=size or None, done=0, failed=0)
    return bar
