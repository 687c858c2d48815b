"""A worker as the front sees it: its process, its channel, and the exchanges that wait for an answer."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

from mlcore.engine import Answer
from mlcore.engines.process.channel import Channel
from mlcore.engines.process.errors import from_facts
from mlcore.engines.process.frames import AHEAD, Frame, Kind
from mlcore.engines.process.shared_area import SharedArea
from mlcore.engines.process.status_page import EXCHANGES, StatusPage
from mlcore.errors import OverloadedError, UnavailableError
from mlcore.telemetry.steps import Steps

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from mlcore.engine import Call

_START_S = 60.0
_LARGEST_NUMBER = 2**32 - 1
_LAST_WORDS_S = 1.0


class WorkerGoneError(UnavailableError):
    """The worker ended before it answered.

    Attributes:
        has_begun: Whether the model had begun to work on the exchange.
    """

    def __init__(self, has_begun: bool) -> None:
        super().__init__("the worker that had this request has ended; send it again", retry_after_s=1)
        self.has_begun = has_begun


class WorkerHandle:
    """One worker.

    Args:
        on_lost: Called once, when nothing can be sent to it any more.
        on_exit: Called once, when the process has ended; soon after that.
        on_telemetry: Called with the process' id and what it tells of its spans, log lines and metrics.
        place: Its place in its pool: the smallest number that no other worker there has.

    Attributes:
        models: The models that it has, by their numbers.
        loading: The models that it is loading.
        under_way: The requests that it has not done with.
        cause: Why it ended, in a few words.
    """

    def __init__(
        self,
        on_lost: Callable[[WorkerHandle], None],
        on_exit: Callable[[WorkerHandle], None],
        on_telemetry: Callable[[int, dict[str, list[Any]]], None],
        place: int,
    ) -> None:
        self._on_lost = on_lost
        self._on_exit = on_exit
        self._on_telemetry = on_telemetry
        self.place = place
        self._last_number = 0
        self._marks: set[int] = set()
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._streams: dict[int, asyncio.Queue[Frame | WorkerGoneError]] = {}
        self._requests: dict[int, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._exited = asyncio.Event()
        self._beats = -1
        self._may_start_until = time.monotonic() + _START_S
        self.models: set[int] = set()
        self.loading: set[int] = set()
        self.under_way = 0
        self.cause = ""
        self._is_stopping = False

    @property
    def pid(self) -> int:
        """The process' id."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self._exited.is_set()

    @property
    def last_request(self) -> str:
        """The id of the request that it began last; empty if there was none."""
        return self._page.last_request

    def begun_models(self) -> set[int]:
        """Return the models that had begun to work on a request which they have not answered."""
        return {model for number, model in self._requests.items() if self._page.has_begun(number)}

    async def start(self, python: str, environment: Mapping[str, str] | None, settings: dict[str, Any]) -> None:
        """Start the process and tell it the server's settings.

        Args:
            python: The interpreter.
            environment: Its environment variables; this process' own if absent.
            settings: The server's settings, as plain data.

        Raises:
            OSError: The system has no process, no memory or no descriptor left.
        """
        descriptors: list[int] = []
        ours, theirs = socket.socketpair()
        try:
            descriptors.append(StatusPage.create("mlcore-status"))
            descriptors += [SharedArea.create(f"mlcore-{what}") for what in ("calls", "answers")]
            page, calls, answers = descriptors
            self._page = StatusPage(page)
            self._channel = Channel(self._on_frame, self._lost, SharedArea(calls), SharedArea(answers))
            passed = [theirs.fileno(), *descriptors]
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603  # our own program; the call takes a millisecond
                [python, "-m", "mlcore.engines.process.worker", *map(str, passed)],
                stdin=subprocess.DEVNULL,
                pass_fds=passed,
                env=environment,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            for descriptor in descriptors:
                os.close(descriptor)
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(self._process.pid)
        loop.add_reader(descriptor, self._exit, descriptor)
        await loop.create_unix_connection(lambda: self._channel, sock=ours)
        self._channel.send(Kind.SETTINGS, 0, settings)

    async def load(self, model: int, plan: dict[str, Any]) -> dict[str, Any]:
        """Load a model, and return what the worker says of it.

        Raises:
            MLCoreError: It cannot be loaded.
            WorkerGoneError: The worker ended.
        """
        self.loading.add(model)
        number = self._next_number()
        try:
            frame = await self._asked(number, Kind.LOAD, {"model": model, "plan": plan})
        finally:
            self.loading.discard(model)
        self.models.add(model)
        facts: dict[str, Any] = frame.facts
        return facts

    async def unload(self, model: int) -> None:
        """Unload a model; a worker that has ended has none."""
        self.models.discard(model)
        try:
            await self._asked(self._next_number(), Kind.UNLOAD, model)
        except WorkerGoneError:
            return

    def forget(self, model: int) -> None:
        """Unload a model that may be loaded or not, without waiting."""
        self.models.discard(model)
        self.loading.discard(model)
        try:
            self._channel.send(Kind.UNLOAD, self._next_number(), model)
        except ConnectionResetError:
            return

    async def infer(self, model: int, call: Call) -> Answer:
        """Answer one call. If it is cancelled, it ends when the model has ended its work; at once, if it is again.

        Raises:
            MLCoreError: What the worker raised.
            WorkerGoneError: The worker ended.
        """
        number = self._open(model)
        try:
            frame = await self._asked(number, Kind.INFER, _facts(model, call), call)
        finally:
            self._close(number)
        return _answer(frame)

    async def stream(self, model: int, call: Call) -> AsyncGenerator[Answer, None]:
        """Answer one call with several answers; like `infer`. The worker is never far ahead of whoever takes them."""
        number = self._open(model)
        queue = self._streams[number] = asyncio.Queue()
        is_over = False
        taken = 0
        try:
            self._send(Kind.STREAM, number, _facts(model, call), call)
            while True:
                frame = await queue.get()
                is_over = isinstance(frame, WorkerGoneError) or frame.kind is not Kind.ITEM
                if isinstance(frame, WorkerGoneError):
                    raise frame
                if frame.kind is Kind.FAILURE:
                    raise from_facts(frame.facts)
                if is_over:
                    return
                yield _answer(frame)
                taken += 1
                if taken % (AHEAD // 2) == 0:
                    self._send(Kind.MORE, number, AHEAD // 2)
        finally:
            del self._streams[number]
            if not is_over:
                self._cancel(number)
            self._close(number)

    def is_hung(self) -> bool:
        """Say whether the worker has shown no sign of life since this was asked before.

        Until its first one it is given the time that an interpreter may take to start.
        """
        beats, self._beats = self._beats, self._page.beats
        return beats == self._beats and (beats > 0 or time.monotonic() > self._may_start_until)

    async def listens(self, within_s: float) -> bool:
        """Say whether the worker's event loop answers within so many seconds."""
        try:
            await asyncio.wait_for(self._asked(self._next_number(), Kind.FLUSH, None), within_s)
        except (TimeoutError, WorkerGoneError):
            return False
        return True

    def kill(self, cause: str) -> None:
        """End the process at once."""
        self.cause = self.cause or cause
        if self._process is not None and not self.has_ended:
            self._process.kill()

    async def stop(self, grace_s: float) -> None:
        """Let the process end; kill it if it takes longer."""
        if self._process is None:
            return
        self._is_stopping = True
        await self.listens(min(grace_s, _LAST_WORDS_S))
        self._channel.close()
        try:
            await asyncio.wait_for(self._exited.wait(), grace_s)
        except TimeoutError:
            self._process.kill()
            await self._exited.wait()

    def _next_number(self) -> int:
        self._last_number = self._last_number % _LARGEST_NUMBER + 1
        return self._last_number

    def _open(self, model: int) -> int:
        """Return the number of a new exchange, whose mark on the page no other has that is under way.

        Raises:
            OverloadedError: Every mark is taken.
        """
        number = self._next_number()
        while number % EXCHANGES in self._marks:
            if len(self._marks) == EXCHANGES:
                raise OverloadedError(f"a worker has {EXCHANGES} requests, and takes no more", retry_after_s=1)
            number = self._next_number()
        self._marks.add(number % EXCHANGES)
        self._page.open(number)
        self._requests[number] = model
        self.under_way += 1
        return number

    def _close(self, number: int) -> None:
        self.under_way -= 1
        self._marks.discard(number % EXCHANGES)
        del self._requests[number]

    async def _asked(self, number: int, kind: Kind, facts: Any, call: Call | None = None) -> Frame:
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._send(kind, number, facts, call)
            frame = await answer
        except asyncio.CancelledError:
            # An exchange that was answered in this very moment is over: the worker would say nothing more of it.
            if answer.cancelled() and kind in (Kind.LOAD, Kind.INFER):
                self._cancel(number)
                if kind is Kind.INFER:
                    await self._over(number)
            raise
        finally:
            self._answers.pop(number, None)
        if frame.kind is Kind.FAILURE:
            raise from_facts(frame.facts)
        return frame

    async def _over(self, number: int) -> None:
        """Wait until the worker says that it has done with an exchange."""
        over = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            if not self.has_ended:
                await over
        except WorkerGoneError:
            return

    def _send(self, kind: Kind, number: int, facts: Any, call: Call | None = None) -> None:
        try:
            if call is None:
                self._channel.send(kind, number, facts)
            else:
                self._channel.send(kind, number, facts, (call.body,), call.head_length)
        except ConnectionResetError:
            raise self._gone(number) from None

    def _gone(self, number: int) -> WorkerGoneError:
        return WorkerGoneError(not self.has_ended and self._page.has_begun(number))

    def _cancel(self, number: int) -> None:
        try:
            self._channel.send(Kind.CANCEL, number)
        except ConnectionResetError:
            return

    def _on_frame(self, frame: Frame) -> None:
        answer = self._answers.get(frame.number)
        if answer is not None:
            if not answer.done():
                answer.set_result(frame)
        elif (queue := self._streams.get(frame.number)) is not None:
            queue.put_nowait(frame)
        elif frame.kind is Kind.TELEMETRY:
            self._on_telemetry(self.pid, frame.facts)

    def _lost(self) -> None:
        self._on_lost(self)
        # Its process is about to end, or something is wrong with it.
        if not self.has_ended and not self._is_stopping:
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, self.kill, "it closed its channel")

    def _exit(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        assert self._process is not None
        code = self._process.wait()
        self.cause = self.cause or _cause_of(code)
        self._channel.close()
        self._on_exit(self)
        for number, answer in self._answers.items():
            if not answer.done():
                answer.set_exception(self._gone(number))
        for number, queue in self._streams.items():
            queue.put_nowait(self._gone(number))
        self._exited.set()
        self._channel.let_go()
        self._page.close()


def _cause_of(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _facts(model: int, call: Call) -> list[Any]:
    return [
        model,
        call.model,
        call.version,
        call.media_type,
        call.headers,
        call.request_id,
        call.arrived,
        call.deadline,
        call.trace,
    ]


def _answer(frame: Frame) -> Answer:
    media_type, headers, steps = frame.facts
    # Nobody writes to an answer, so whoever sends it later need not copy it.
    body = memoryview(frame.payload).toreadonly()
    return Answer(media_type, [body], frame.head_length, headers, Steps(*steps))
