"""A worker as the front sees it: its process, its channel, and the exchanges that wait for an answer."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

from mlcore.engine import Answer
from mlcore.engines.process.channel import Channel
from mlcore.engines.process.errors import from_facts
from mlcore.engines.process.frames import Frame, Kind
from mlcore.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from mlcore.engine import Call

_KILL_AFTER_S = 5.0


class WorkerHandle:
    """One worker.

    Args:
        on_exit: Called once, when the process has ended, with its exit code.
    """

    def __init__(self, on_exit: Callable[[WorkerHandle, int], None]) -> None:
        self._on_exit = on_exit
        self._channel = Channel(self._on_frame, lambda: None)
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._streams: dict[int, asyncio.Queue[Frame]] = {}
        self.models: set[int] = set()
        self.under_way = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._exited = asyncio.Event()

    @property
    def pid(self) -> int:
        """The process' id."""
        assert self._process is not None, "not started"
        return self._process.pid

    async def start(self, settings: dict[str, Any]) -> None:
        """Start the process and tell it the server's settings."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603  # our own program; the call takes a millisecond
                [sys.executable, "-m", "mlcore.engines.process.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(self._process.pid)
        loop.add_reader(descriptor, self._exit, descriptor)
        await loop.create_unix_connection(lambda: self._channel, sock=ours)
        self._channel.send(Kind.SETTINGS, 0, settings)

    async def load(self, model: int, plan: dict[str, Any]) -> dict[str, Any]:
        """Load a model, and return its metadata.

        Raises:
            MLCoreError: It cannot be loaded, or the worker has ended.
        """
        frame = await self._asked(Kind.LOAD, {"model": model, "plan": plan})
        self.models.add(model)
        metadata: dict[str, Any] = frame.facts
        return metadata

    async def unload(self, model: int) -> None:
        """Unload a model; a worker that has ended has none."""
        self.models.discard(model)
        try:
            await self._asked(Kind.UNLOAD, model)
        except UnavailableError:
            return

    def forget(self, model: int) -> None:
        """Unload a model that may be loaded or not, without waiting."""
        self.models.discard(model)
        try:
            self._channel.send(Kind.UNLOAD, next(self._numbers), model)
        except ConnectionResetError:
            return

    async def infer(self, model: int, call: Call) -> Answer:
        """Answer one call.

        Raises:
            MLCoreError: What the worker raised, or that it has ended.
        """
        self.under_way += 1
        try:
            frame = await self._asked(Kind.INFER, _facts(model, call), call)
        finally:
            self.under_way -= 1
        return _answer(frame)

    async def stream(self, model: int, call: Call) -> AsyncGenerator[Answer, None]:
        """Answer one call with several answers; like `infer`."""
        number = next(self._numbers)
        queue = self._streams[number] = asyncio.Queue()
        self.under_way += 1
        is_over = False
        try:
            self._send(Kind.STREAM, number, _facts(model, call), call)
            while True:
                frame = await queue.get()
                is_over = frame.kind is not Kind.ITEM
                if frame.kind is Kind.FAILURE:
                    raise from_facts(frame.facts)
                if is_over:
                    return
                yield _answer(frame)
        finally:
            self.under_way -= 1
            del self._streams[number]
            if not is_over:
                self._cancel(number)

    async def stop(self) -> None:
        """Let the process end; kill it if it does not."""
        if self._process is None:
            return
        self._channel.close()
        try:
            await asyncio.wait_for(self._exited.wait(), _KILL_AFTER_S)
        except TimeoutError:
            self._process.kill()
            await self._exited.wait()

    async def _asked(self, kind: Kind, facts: Any, call: Call | None = None) -> Frame:
        number = next(self._numbers)
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._send(kind, number, facts, call)
            frame = await answer
        except asyncio.CancelledError:
            self._cancel(number)
            raise
        finally:
            self._answers.pop(number, None)
        if frame.kind is Kind.FAILURE:
            raise from_facts(frame.facts)
        return frame

    def _send(self, kind: Kind, number: int, facts: Any, call: Call | None) -> None:
        try:
            if call is None:
                self._channel.send(kind, number, facts)
            else:
                self._channel.send(kind, number, facts, (call.body,), call.head_length)
        except ConnectionResetError:
            raise _gone() from None

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

    def _exit(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        assert self._process is not None
        code = self._process.wait()
        self._channel.close()
        self._exited.set()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(_gone())
        for number, queue in self._streams.items():
            queue.put_nowait(Frame(Kind.FAILURE, number, _GONE))
        self._on_exit(self, code)


_GONE = {
    "class": "UnavailableError",
    "message": "the worker that had this request has ended; send it again",
    "retry_after_s": 1,
}


def _gone() -> UnavailableError:
    error = from_facts(_GONE)
    assert isinstance(error, UnavailableError)
    return error


def _facts(model: int, call: Call) -> list[Any]:
    return [model, call.model, call.version, call.media_type, call.headers, call.request_id]


def _answer(frame: Frame) -> Answer:
    media_type, headers = frame.facts
    return Answer(media_type, [frame.payload], frame.head_length, headers)
