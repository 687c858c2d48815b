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
from mlcore.peek import urgency_of
from mlcore.request_parameters import LOWEST

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable

    from mlcore.engine import Answer, Call
    from mlcore.registry import ModelRegistry
    from mlcore.served import Served

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
        served, priority = self._entered(call)
        if call.deadline is not None:
            return await self._in_time(served, call, priority)
        try:
            return await _worked(served, call, priority)
        except asyncio.CancelledError:
            served.count_refused("cancelled")
            raise
        finally:
            served.leave()

    async def stream(self, call: Call) -> AsyncGenerator[Answer, None]:
        """Answer one call with several answers; like `infer`."""
        served, priority = self._entered(call)
        try:
            await _within(call, _turn(served, call, priority))
            try:
                async with aclosing(served.model.stream(call)) as answers:
                    while True:
                        try:
                            yield await _within(call, anext(answers))
                        except StopAsyncIteration:
                            return
            finally:
                served.end()
        except DeadlineExceededError:
            served.count_refused("deadline")
            raise
        except (asyncio.CancelledError, GeneratorExit):
            served.count_refused("cancelled")
            raise
        finally:
            served.leave()

    def _entered(self, call: Call) -> tuple[Served, int]:
        """Find the model and enter it; return it with the call's rank, and note when the call is too late."""
        if not self._is_open:
            raise UnavailableError("the server is stopping", retry_after_s=1)
        served = self._registry.find(call.model, call.version)
        served.enter()
        priority = LOWEST
        limit_s = served.model.settings.request_timeout or self._request_timeout_s
        if limit_s is not None:
            _shorten(call, limit_s)
        if not served.has_room:
            priority, timeout_s = urgency_of(call)
            if timeout_s is not None:
                _shorten(call, timeout_s)
        if call.deadline is not None and time.monotonic() >= call.deadline:
            served.leave()
            served.count_refused("deadline")
            raise _too_late(call)
        return served, priority

    async def _in_time(self, served: Served, call: Call, priority: int) -> Answer:
        """Answer a call until its deadline. The model's work counts until it really ends, which may be later."""
        work = asyncio.ensure_future(_worked(served, call, priority))
        work.add_done_callback(lambda _: served.leave())
        try:
            done, _ = await asyncio.wait({work}, timeout=_left_s(call))
        except asyncio.CancelledError:
            served.count_refused("cancelled")
            self._give_up(work)
            raise
        if done:
            return work.result()
        served.count_refused("deadline")
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
    try:
        return await asyncio.wait_for(step, _left_s(call))
    except TimeoutError:
        if time.monotonic() < call.deadline:
            raise  # the step's own
        raise _too_late(call) from None


def _too_late(call: Call) -> DeadlineExceededError:
    assert call.deadline is not None, "only a call with a deadline is late"
    return too_late(call.arrived, call.deadline)
