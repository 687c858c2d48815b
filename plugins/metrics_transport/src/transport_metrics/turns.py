"""Work that many ask for at once, and that is done once for all of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

T = TypeVar("T")


class Shared(Generic[T]):
    """Does some work in a thread, whose result everybody gets who asked before it began.

    Args:
        executor: Where it is done.
        work: What is done.
    """

    def __init__(self, executor: Executor, work: Callable[[], T]) -> None:
        self._executor = executor
        self._work = work
        self._next: asyncio.Future[T] | None = None
        self._is_at_work = False

    async def result(self) -> T:
        """Return the result of work that begins after this call."""
        waiting = self._next
        if waiting is None:
            waiting = self._next = asyncio.get_running_loop().create_future()
            if not self._is_at_work:
                self._begin()
        return await asyncio.shield(waiting)

    def _begin(self) -> None:
        assert self._next is not None, "somebody waits"
        waiting, self._next = self._next, None
        self._is_at_work = True
        done = asyncio.get_running_loop().run_in_executor(self._executor, self._work)
        done.add_done_callback(lambda done: self._end(done, waiting))

    def _end(self, done: asyncio.Future[T], waiting: asyncio.Future[T]) -> None:
        self._is_at_work = False
        if done.cancelled():
            waiting.cancel()
        elif (error := done.exception()) is not None:
            waiting.set_exception(error)
            waiting.exception()  # taken: whoever waited may be gone
        else:
            waiting.set_result(done.result())
        if self._next is not None:
            self._begin()
