"""Writes answers: as many at once as have come in the meantime."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from mlcore.daemon_thread import in_daemon_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from command_infer.output import Output
    from command_infer.window import Answered


class Writer:
    """Writes to an output.

    Args:
        output: Where to.
        written: Is told of each answer that has been written.
    """

    def __init__(self, output: Output, written: Callable[[Answered], None]) -> None:
        self._output = output
        self._written = written
        self._pending: list[Answered] = []
        self._changed = asyncio.Event()
        self._is_finished = False

    def put(self, answers: Iterable[Answered]) -> None:
        """Have answers written, in this order."""
        self._pending.extend(answers)
        self._changed.set()

    def finish(self) -> None:
        """End `run` once everything has been written."""
        self._is_finished = True
        self._changed.set()

    async def run(self) -> None:
        """Write until `finish`.

        Raises:
            OSError: The disk is full, or the reader of a pipe has gone.
        """
        while self._pending or not self._is_finished:
            if not self._pending:
                self._changed.clear()
                await self._changed.wait()
                continue
            answers, self._pending = self._pending, []
            text = b"".join([part for answered in answers for part in (answered.text, b"\n")])
            if self._output.is_file:
                self._output.write(text)  # takes less than to wake a thread
            else:
                await in_daemon_thread(partial(self._output.write, text), "infer-io")
            for answered in answers:
                self._written(answered)
