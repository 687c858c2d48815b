"""Work on models, one piece at a time for each name. It knows neither models nor files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable


class _Shared:
    """A piece of work that waits for its turn or is under way.

    Attributes:
        task: Does it.
        stamp: What it began with; `None` while it waits.
    """

    task: asyncio.Task[None]
    stamp: object = None


class Turns:
    """Gives each name's work its turn, and shares what is under way with those who ask for the same."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._latest: dict[tuple[str, Hashable], _Shared] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, name: str) -> asyncio.Lock:
        """Return what has to be held to work on a name."""
        return self._locks.setdefault(name, asyncio.Lock())

    async def share(
        self, name: str, part: Hashable, stamp: Callable[[], object], work: Callable[[], Awaitable[None]]
    ) -> None:
        """Do a piece of work when it is its turn, or wait for an equal one and have its outcome.

        One that waits for its turn is equal to every other. One that has begun is, as long as the stamp is what it was
        then. Whoever asks may be cancelled; the work goes on.

        Args:
            name: The name that is worked on.
            part: The part of it that is; work on another part is never equal, but waits for its turn all the same.
            stamp: Says, in a thread, what the work would begin with now; something empty where that is not known.
            work: Does it.

        Raises:
            CancelledError: Whoever asked was cancelled, or the work.
        """
        what = name, part
        shared = self._latest.get(what)
        if shared is not None and shared.stamp is not None:
            now = await asyncio.to_thread(stamp)
            shared = self._latest.get(what)
            if shared is not None and shared.stamp is not None and (shared.stamp != now or not now):
                shared = None
        if shared is None:
            shared = self._latest[what] = _Shared()
            shared.task = asyncio.create_task(self._do(name, shared, stamp, work), name=f"mlcore-work-{name}")
            shared.task.add_done_callback(lambda task: self._forget(what, task))
            self._tasks.add(shared.task)
        await asyncio.shield(shared.task)

    async def cancel(self) -> None:
        """Cancel every piece of work that is shared."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _do(
        self, name: str, shared: _Shared, stamp: Callable[[], object], work: Callable[[], Awaitable[None]]
    ) -> None:
        async with self.of(name):
            shared.stamp = await asyncio.to_thread(stamp)
            await work()

    def _forget(self, what: tuple[str, Hashable], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if what in self._latest and self._latest[what].task is task:
            del self._latest[what]
        if not task.cancelled():
            task.exception()  # taken, for whoever asked may have gone
