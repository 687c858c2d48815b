"""A worker: one model host in an interpreter of its own, which does what the front asks over a channel.

Started as `python -m mlcore.engines.process.worker FD`; it ends when its channel does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from mlcore.engine import Call
from mlcore.engines.process.channel import Channel
from mlcore.engines.process.errors import to_facts
from mlcore.engines.process.frames import Frame, Kind
from mlcore.engines.process.plans import plan_from_facts, settings_from_facts
from mlcore.errors import MLCoreError, UnavailableError
from mlcore.event_loop import loop_factory
from mlcore.host import ModelHost
from mlcore.logs import get_logger, set_up_logging
from mlcore.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from mlcore.engine import Answer, LoadedModel

log = get_logger("mlcore.worker")

_PR_SET_PDEATHSIG = 1


class Worker:
    """What a worker process does."""

    def __init__(self) -> None:
        self._channel = Channel(self._on_frame, self._on_close)
        self._host: ModelHost | None = None
        self._models: dict[int, LoadedModel] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._done = asyncio.Event()

    async def run(self, taken: socket.socket) -> None:
        """Serve the channel until it closes."""
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self._channel, sock=taken)
        await self._done.wait()
        for task in list(self._tasks.values()):
            task.cancel()

    def _on_close(self) -> None:
        self._done.set()

    def _on_frame(self, frame: Frame) -> None:
        if frame.kind is Kind.CANCEL:
            if task := self._tasks.get(frame.number):
                task.cancel()
        elif frame.kind is Kind.SETTINGS:
            settings = settings_from_facts(frame.facts)
            set_up_logging(settings)
            self._host = ModelHost(settings, Plugins(settings.plugins))
        else:
            task = asyncio.ensure_future(self._answered(frame.number, _WORK[frame.kind](self, frame)))
            self._tasks[frame.number] = task

    async def _answered(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        """Do what a frame asks, and send the failure if it fails."""
        try:
            await work
        except asyncio.CancelledError:
            pass  # the front waits for no answer
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
        model = await self._host.load(plan_from_facts(frame.facts["plan"]))
        self._models[frame.facts["model"]] = model
        self._channel.send(Kind.ANSWER, frame.number, model.metadata.model_dump())

    async def _unload(self, frame: Frame) -> None:
        model = self._models.pop(frame.facts, None)
        if model is not None:
            await model.unload()
        self._channel.send(Kind.ANSWER, frame.number)

    async def _infer(self, frame: Frame) -> None:
        model, call = self._call(frame)
        self._send(Kind.ANSWER, frame.number, await model.infer(call))

    async def _stream(self, frame: Frame) -> None:
        model, call = self._call(frame)
        async with contextlib.aclosing(model.stream(call)) as answers:
            async for answer in answers:
                self._send(Kind.ITEM, frame.number, answer)
                await self._channel.drained()
        self._channel.send(Kind.END, frame.number)

    def _call(self, frame: Frame) -> tuple[LoadedModel, Call]:
        number, name, version, media_type, headers, request_id = frame.facts
        model = self._models.get(number)
        if model is None:
            raise UnavailableError(f"Model {name} is not ready", retry_after_s=1)
        lines = [(key, value) for key, value in headers]
        return model, Call(name, version, media_type, frame.payload, frame.head_length, lines, request_id)

    def _send(self, kind: Kind, number: int, answer: Answer) -> None:
        self._channel.send(kind, number, [answer.media_type, answer.headers], answer.buffers, answer.head_length)


_WORK = {
    Kind.LOAD: Worker._load,
    Kind.UNLOAD: Worker._unload,
    Kind.INFER: Worker._infer,
    Kind.STREAM: Worker._stream,
}


def main() -> None:
    """Run a worker on the socket whose descriptor is the only argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the front decides
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    taken = socket.socket(fileno=int(sys.argv[1]))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(Worker().run(taken))


if __name__ == "__main__":
    main()
