"""The dispatcher: the front of the data plane. It finds the model, lets a call in or refuses it, and keeps its time.

It opens no body.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from mlcore.deadline import too_late
from mlcore.errors import DeadlineExceededError, UnavailableError
from mlcore.peek import may_have_time, urgency_of
from mlcore.request_parameters import LOWEST

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable

    from mlcore.engine import Answer, Call
    from mlcore.registry import ModelRegistry
    from mlcore.served import Served
    from mlcore.telemetry.steps import Steps
    from mlcore.telemetry.tallies import Tallies

T = TypeVar("T")


class Dispatcher:
    """Takes calls from every transport to the models.

    Args:
        registry: The models.
        request_timeout_s: Seconds that a call has, unless its model's settings say otherwise.
    """

    def __init__(self, registry: ModelRegistry, request_timeout_s: float | None = None) -> None:
        self._registry = registry
        self._request_timeout_s = request_timeout_s
        self._late: set[asyncio.Task[Answer]] = set()
        self._is_open = True

    @property
    def tallies(self) -> Tallies:
        """What the server measures, for transports too."""
        return self._registry.tallies

    def close(self) -> None:
        """Refuse every further call; those under way go on."""
        self._is_open = False

    async def infer(self, call: Call) -> Answer:
        """Answer one call.

        Whoever is cancelled while he waits for the answer cancels the model's work on it.

        Raises:
            MLCoreError: There is no such model, too many requests wait for it, the time is over, the request is
                wrong, or the model failed.
        """
        served = self._found(call)
        try:
            priority = self._entered(served, call)
            if call.deadline is not None:
                answer = await self._in_time(served, call, priority)
            else:
                try:
                    answer = await _worked(served, call, priority)
                finally:
                    served.leave()
        except BaseException as error:
            _count_failed(served, call, error)
            raise
        served.measures.answered(call, answer)
        return answer

    async def stream(self, call: Call) -> AsyncGenerator[Answer, None]:
        """Answer one call with several answers; like `infer`."""
        served = self._found(call)
        last: Steps | None = None
        encode_s, size = 0.0, 0
        try:
            priority = self._entered(served, call)
            try:
                await _within(call, _turn(served, call, priority))
                call.sent = time.monotonic()
                try:
                    async with aclosing(served.model.stream(call)) as answers:
                        while (answer := await _within(call, anext(answers, None))) is not None:
                            size += sum(map(len, answer.buffers))
                            if answer.steps is not None:
                                last = answer.steps
                                encode_s += last.encoded - last.ended
                            yield answer
                finally:
                    served.end()
            finally:
                served.leave()
        except BaseException as error:
            _count_failed(served, call, error)
            raise
        served.measures.streamed(call, last, encode_s, size)

    def _found(self, call: Call) -> Served:
        if not self._is_open:
            raise UnavailableError("the server is stopping", retry_after_s=1)
        return self._registry.find(call.model, call.version)

    def _entered(self, served: Served, call: Call) -> int:
        """Let a call in, unless there are too many or it is too late; return its rank."""
        served.enter()
        priority = LOWEST
        limit_s = served.model.settings.request_timeout or self._request_timeout_s
        if limit_s is not None:
            _shorten(call, limit_s)
        if not served.has_room or may_have_time(call):
            priority, timeout_s = urgency_of(call)
            if timeout_s is not None:
                _shorten(call, timeout_s)
        if call.deadline is not None and time.monotonic() >= call.deadline:
            served.leave()
            raise _too_late(call)
        return priority

    async def _in_time(self, served: Served, call: Call, priority: int) -> Answer:
        """Answer a call until its deadline. The model's work counts until it really ends, which may be later."""
        work = asyncio.ensure_future(_worked(served, call, priority))
        work.add_done_callback(lambda _: served.leave())
        try:
            done, _ = await asyncio.wait({work}, timeout=_left_s(call))
        except asyncio.CancelledError:
            self._give_up(work)
            raise
        if done:
            return work.result()
        self._give_up(work)
        raise _too_late(call)

    def _give_up(self, work: asyncio.Task[Answer]) -> None:
        work.cancel()
        self._late.add(work)
        work.add_done_callback(self._forget)

    def _forget(self, work: asyncio.Task[Answer]) -> None:
        self._late.discard(work)
        if not work.cancelled():
            work.exception()  # taken: nobody waits for it any more


async def _worked(served: Served, call: Call, priority: int) -> Answer:
    """Answer a call that has entered, when it is its turn; this ends when the model's work on it has ended."""
    if served.has_room:
        served.begin()
    else:
        await _turn(served, call, priority)
    call.sent = time.monotonic()
    try:
        return await served.model.infer(call)
    finally:
        served.end()


async def _turn(served: Served, call: Call, priority: int) -> None:
    """Wait until the model takes a call; if that takes time, a call that is traced has a span of it."""
    if call.trace is None or served.has_room:
        await served.turn(priority)
        return
    from mlcore.telemetry.tracing import step

    with step("queue"):
        await served.turn(priority)


def _count_failed(served: Served, call: Call, error: BaseException) -> None:
    served.measures.failed(call, error)
    if isinstance(error, DeadlineExceededError):
        served.measures.refused("deadline")
    elif not isinstance(error, Exception):
        served.measures.refused("cancelled")


def _shorten(call: Call, seconds: float) -> None:
    deadline = call.arrived + seconds
    if call.deadline is None or deadline < call.deadline:
        call.deadline = deadline


def _left_s(call: Call) -> float | None:
    return None if call.deadline is None else max(0.0, call.deadline - time.monotonic())


async def _within(call: Call, step: Awaitable[T]) -> T:
    """Wait for one step of a call, until its deadline.

    Raises:
        DeadlineExceededError: It is over.
    """
    if call.deadline is None:
        return await step
    limit = asyncio.timeout(_left_s(call))
    try:
        async with limit:
            return await step
    except TimeoutError:
        if not limit.expired():
            raise  # the step's own
        raise _too_late(call) from None


def _too_late(call: Call) -> DeadlineExceededError:
    assert call.deadline is not None, "only a call with a deadline is late"
    return too_late(call.arrived, call.deadline)
