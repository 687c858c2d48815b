"""A worker: one model host in an interpreter of its own, which does what the front asks over a channel.

Started as `python -m mlcore.engines.process.worker SOCKET STATUS CALLS ANSWERS`, all of them descriptors; it ends when
its channel does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import resource
import signal
import socket
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from mlcore.engine import Call
from mlcore.engines.process.channel import Channel
from mlcore.engines.process.errors import to_facts
from mlcore.engines.process.frames import AHEAD, Frame, Kind
from mlcore.engines.process.plans import plan_from_facts, settings_from_facts
from mlcore.engines.process.shared_area import SharedArea
from mlcore.engines.process.status_page import StatusPage
from mlcore.errors import MLCoreError, ModelNotReadyError, RequestCancelledError
from mlcore.event_loop import loop_factory
from mlcore.host import ModelHost
from mlcore.loading import make_plan
from mlcore.logs import get_logger, set_up_logging
from mlcore.plugins import Plugins
from mlcore.telemetry.outbox import Outbox
from mlcore.telemetry.tallies import Tallies
from mlcore.telemetry.worker import set_up_worker_telemetry

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from mlcore.engine import Answer, LoadedModel

log = get_logger("mlcore.worker")

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_BEATS_PER_TIMEOUT = 8
_SLOWEST_BEAT_S = 1.0
_LAST_WORDS_S = 1.0
# With more calls under way than this, answers leave together at the end of a turn; a lone client's leaves at once.
_MANY = 8
# How often the front is told what has been measured.
_REPORT_S = 1.0


class Worker:
    """What a worker process does.

    Args:
        page: What the front sees at any time.
        calls: The memory that large requests come through.
        answers: The memory that large answers go through.
    """

    def __init__(self, page: StatusPage, calls: SharedArea, answers: SharedArea) -> None:
        self._page = page
        self._channel = Channel(self._on_frame, self._on_close, outgoing=answers, incoming=calls)
        self._host: ModelHost | None = None
        self._models: dict[int, LoadedModel] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._credits: dict[int, asyncio.Semaphore] = {}
        self._done = asyncio.Event()
        self._tallies = Tallies()
        self._reporting: asyncio.Future[None] | None = None

    async def run(self, taken: socket.socket) -> None:
        """Serve the channel until it closes."""
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self._channel, sock=taken)
        await self._done.wait()
        for task in [*self._tasks.values(), *([self._reporting] if self._reporting is not None else [])]:
            task.cancel()

    async def _report(self) -> None:
        """Tell the front again and again what has been measured: to wake up for each request would cost more."""
        while True:
            await asyncio.sleep(_REPORT_S)
            self._outbox.flush()

    def _on_close(self) -> None:
        self._done.set()

    def _on_frame(self, frame: Frame) -> None:
        if frame.kind is Kind.CANCEL:
            # Later in this turn: a task that is cancelled before its first step ends without a word to the front.
            asyncio.get_running_loop().call_soon(self._cancel, frame.number)
        elif frame.kind is Kind.MORE:
            if credit := self._credits.get(frame.number):
                for _ in range(frame.facts):
                    credit.release()
        elif frame.kind is Kind.SETTINGS:
            settings = settings_from_facts(frame.facts)
            set_up_logging(settings)
            self._outbox = Outbox(self._tell)
            set_up_worker_telemetry(frame.facts["telemetry"], self._outbox)
            self._plugins = Plugins(settings.plugins)
            self._host = ModelHost(settings, self._plugins, self._tallies)
            self._outbox.add_source("tallies", self._tallies.taken)
            self._reporting = asyncio.ensure_future(self._report())
            beat_s = min(_SLOWEST_BEAT_S, settings.worker_timeout / _BEATS_PER_TIMEOUT)
            threading.Thread(target=_beat, args=(self._page, beat_s), name="mlcore-beat", daemon=True).start()
        else:
            work = self._answered(frame.number, _WORK[frame.kind](self, frame))
            self._tasks[frame.number] = asyncio.get_running_loop().create_task(work)

    def _cancel(self, number: int) -> None:
        if task := self._tasks.get(number):
            task.cancel()

    async def _answered(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        """Do what a frame asks, and send the failure if it fails: the front waits until each exchange is over."""
        try:
            await work
        except asyncio.CancelledError:
            with contextlib.suppress(ConnectionResetError):
                self._channel.send(Kind.FAILURE, number, to_facts(RequestCancelledError("the request was cancelled")))
        except ConnectionResetError:
            self._done.set()
        except Exception as error:  # whatever it is, the front has to know that this exchange is over
            if not isinstance(error, MLCoreError):
                log.exception("the worker failed")
            with contextlib.suppress(ConnectionResetError):
                self._channel.send(Kind.FAILURE, number, to_facts(error))
        finally:
            del self._tasks[number]

    async def _load(self, frame: Frame) -> None:
        assert self._host is not None, "settings come first"
        plan = plan_from_facts(frame.facts["plan"])
        if plan.target is None:  # this environment may offer what the front's does not
            plan = make_plan(plan.settings, self._plugins, plan.root)
        model = await self._host.load(plan)
        self._models[frame.facts["model"]] = model
        facts = {
            "metadata": model.metadata.model_dump(),
            "concurrency": model.concurrency,
            "handlers": model.handlers if model.handlers.routes else None,
            "remarks": model.remarks,
        }
        self._channel.send(Kind.ANSWER, frame.number, facts)

    async def _unload(self, frame: Frame) -> None:
        model = self._models.pop(frame.facts, None)
        if model is not None:
            await model.unload()
            self._outbox.flush()
            key = (model.settings.name, model.settings.parameters.version)
            if all((other.settings.name, other.settings.parameters.version) != key for other in self._models.values()):
                self._tallies.forget(key[0], key[1] or "")
        self._channel.send(Kind.ANSWER, frame.number)

    async def _flush(self, frame: Frame) -> None:
        self._outbox.flush()
        self._channel.send(Kind.ANSWER, frame.number)

    def _tell(self, telemetry: dict[str, list[Any]]) -> None:
        with contextlib.suppress(ConnectionResetError):
            self._channel.send(Kind.TELEMETRY, 0, telemetry)

    async def _infer(self, frame: Frame) -> None:
        model, call = self._call(frame)
        call.on_begin = partial(self._page.begin, frame.number)
        self._send(Kind.ANSWER, frame.number, await model.infer(call))

    async def _stream(self, frame: Frame) -> None:
        model, call = self._call(frame)
        self._page.begin(frame.number, call.request_id or "")
        credit = self._credits[frame.number] = asyncio.Semaphore(AHEAD)
        try:
            async with contextlib.aclosing(model.stream(call)) as answers:
                async for answer in answers:
                    await credit.acquire()
                    self._send(Kind.ITEM, frame.number, answer)
                    await self._channel.drained()
        finally:
            del self._credits[frame.number]
        self._channel.send(Kind.END, frame.number)

    def _call(self, frame: Frame) -> tuple[LoadedModel, Call]:
        number, name, version, media_type, headers, request_id, arrived, deadline, trace = frame.facts
        model = self._models.get(number)
        if model is None:
            raise ModelNotReadyError(f"Model {name} is not ready", retry_after_s=1)
        lines = [(key, value) for key, value in headers]
        body, head_length = frame.payload, frame.head_length
        return model, Call(name, version, media_type, body, head_length, lines, request_id, arrived, deadline, trace)

    def _send(self, kind: Kind, number: int, answer: Answer) -> None:
        facts = [answer.media_type, answer.headers, answer.steps]
        is_one_of_many = len(self._tasks) > _MANY
        self._channel.send(kind, number, facts, answer.buffers, answer.head_length, may_wait=is_one_of_many)


_WORK = {
    Kind.LOAD: Worker._load,
    Kind.UNLOAD: Worker._unload,
    Kind.FLUSH: Worker._flush,
    Kind.INFER: Worker._infer,
    Kind.STREAM: Worker._stream,
}


def _beat(page: StatusPage, every_s: float) -> None:
    """Show signs of life from a thread of its own: a worker whose event loop or model is busy is not hung."""
    never = threading.Event()
    while True:
        page.beat()
        never.wait(every_s)


def _die_with_the_front() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # These reach the whole group or unit; the front decides. Not SIG_IGN, which programs that a model starts inherit.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)


def _give_up_privileges() -> None:
    """See to it that no program that a model starts gains rights, and that no crash writes requests to a file."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Run a worker on the descriptors that are its arguments."""
    _die_with_the_front()
    _give_up_privileges()
    channel, page, calls, answers = map(int, sys.argv[1:])
    taken = socket.socket(fileno=channel)
    worker = Worker(StatusPage(page), SharedArea(calls), SharedArea(answers))
    for descriptor in (page, calls, answers):
        os.close(descriptor)
    sys.setswitchinterval(0.0005)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(worker.run(taken))
    for thread in threading.enumerate():
        if thread.name.startswith("mlcore-") and not thread.daemon:
            thread.join(_LAST_WORDS_S)
            if thread.is_alive():  # a model that does not end; Python itself would wait for it
                logging.shutdown()
                os._exit(0)


if __name__ == "__main__":
    main()
