"""The run: lines are read, asked by workers, put in order and written."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from typing import TYPE_CHECKING

from mlcore.errors import SettingsError

from command_infer.answers import Answers
from command_infer.asking import Asker
from command_infer.client import make_client
from command_infer.errors import RunStoppedError
from command_infer.lines import Lines
from command_infer.output import Output
from command_infer.report import Report
from command_infer.window import Window
from command_infer.writer import Writer

if TYPE_CHECKING:
    from command_infer.lines import Line
    from command_infer.options import Options
    from command_infer.window import Answered

_AHEAD = 16
"""How many requests of each worker may wait for an earlier one's answer."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(options: Options) -> int:
    """As `answer_file`, by an event loop of its own."""
    return asyncio.run(answer_file(options))


async def answer_file(options: Options) -> int:
    """Do what was asked for, and return the exit code.

    It is 0 if all went well, 1 if some lines failed, 2 if the run could not go on, and 128 more than the signal that
    ended it.

    Raises:
        SettingsError: A file cannot be read or written.
    """
    lines = Lines.of(options.input_path)
    try:
        if options.output_path != "-" and lines.is_same_file(options.output_path):
            raise SettingsError(f"--output-data-path: '{options.output_path}' is the input; name another file")
        output = Output.of(options.output_path, options.resume)
        try:
            if output.done.has_gaps and not options.as_completed:
                raise SettingsError("--resume: the output is not in the order of the input; add --as-completed")
            has_bar = sys.stderr.isatty() and not output.is_terminal  # one of the two fits on it
            report = Report(lines.size, options.verbosity, len(output.done), output.failed, has_bar)
            return await _Run(options, lines, output, report).run()
        finally:
            output.close()
    finally:
        lines.close()


class _Run:
    def __init__(self, options: Options, lines: Lines, output: Output, report: Report) -> None:
        self._options = options
        self._lines = lines
        self._output = output
        self._report = report
        self._signal: int | None = None
        self._loop = asyncio.get_running_loop()

    async def run(self) -> int:
        """Answer all lines until something or somebody stops it, and say how it ended."""
        self._listen()
        stopped = ""
        code = None
        try:
            with self._report:
                stopped = await self._answer_all()
        except asyncio.CancelledError:
            if self._signal is None:
                raise
            stopped, code = "interrupted", 128 + self._signal
        finally:
            for number in _SIGNALS:
                self._loop.remove_signal_handler(number)
        if code is None:
            code = 2 if stopped else int(self._report.all_failed > 0)
        if stopped:
            sys.stderr.write(f"mlcore: error: {stopped}\n")
        sys.stderr.write(f"{self._report.summary()}\n")
        if stopped and self._output.is_file:
            sys.stderr.write("the same command with --resume goes on from here\n")
        return code

    def _listen(self) -> None:
        task = asyncio.current_task()
        assert task is not None

        def stop(number: int) -> None:
            self._signal = number
            task.cancel()

        for number in _SIGNALS:
            self._loop.add_signal_handler(number, stop, number)

    async def _answer_all(self) -> str:
        """Answer the lines, and return why no more of them can be, if so."""
        options, report = self._options, self._report
        client = make_client(options)
        try:
            asker = Asker(client, options.retries, report.say)
            window = Window(self._output.done, not options.as_completed, self._width())

            def written(answered: Answered) -> None:
                window.written(answered)
                report.line_written(answered.line.index, answered.line.end)

            writer = Writer(self._output, written)
            source = _Source(self._lines, self._output, window, options.batch_size)
            answers = Answers(asker, options.model_name, report)
            stopped = ""
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(writer.run())
                try:
                    async with asyncio.TaskGroup() as workers:
                        await asker.check_model()
                        for _ in range(options.workers):
                            workers.create_task(self._work(source, answers, window, writer))
                except* RunStoppedError as errors:
                    stopped = str(errors.exceptions[0])
                writer.finish()
            self._output.sync()
        finally:
            await client.close()
        return stopped

    def _width(self) -> int:
        return _AHEAD * self._options.workers * self._options.batch_size

    async def _work(self, source: _Source, answers: Answers, window: Window, writer: Writer) -> None:
        options = self._options
        while lines := await source.next():
            began = time.monotonic()
            for line, text in zip(lines, await answers.to(lines), strict=True):
                writer.put(window.answer(line, text))
            if options.interval_s or options.jitter_s:
                pause_s = options.interval_s + random.random() * options.jitter_s  # noqa: S311  # as above in asking.py
                await asyncio.sleep(max(0.0, began + pause_s - time.monotonic()))


class _Source:
    """Hands lines out to the workers, which take turns."""

    def __init__(self, lines: Lines, output: Output, window: Window, batch_size: int) -> None:
        self._lines = lines
        self._done = output.done
        self._expected = output.done.last + 1
        self._window = window
        self._batch_size = batch_size
        self._turn = asyncio.Lock()

    async def next(self) -> list[Line]:
        """Return the next lines without an answer; none after the last.

        Raises:
            RunStoppedError: There are fewer lines than an earlier run has answered.
        """
        found: list[Line] = []
        async with self._turn:
            while len(found) < self._batch_size and (line := await self._lines.next()) is not None:
                if line.index not in self._done:
                    await self._window.admit(line)
                    found.append(line)
            if len(found) < self._batch_size and self._lines.count < self._expected:
                raise RunStoppedError(
                    f"the output has answers to {self._expected:,} lines, the input has {self._lines.count:,}; "
                    "--resume needs the input of the run that was interrupted"
                )
        return found
