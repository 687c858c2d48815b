"""A published model, as requests find it: which of them it works on, which wait, and which are refused.

A replica is given what it can work on, and a little more, so that it never waits for the front. The rest waits here,
the most urgent first, where it can still go to whichever replica is free, or leave.
"""

from __future__ import annotations

import asyncio
import time
from heapq import heappop, heappush
from itertools import count
from math import ceil
from typing import TYPE_CHECKING

from mlcore.errors import OverloadedError
from mlcore.telemetry.requests import RequestMeasures
from mlcore.telemetry.tallies import Tallies

if TYPE_CHECKING:
    from mlcore.engine import LoadedModel

# A replica gets so much work ahead, measured by how long a request takes it, within these bounds.
_AHEAD_S = 0.002
_MOST_AHEAD = 64
# How much the last interval counts for the moving average.
_WEIGHT = 0.1
_LONGEST_RETRY_S = 60
# Requests that have left keep their places until so many have, and half of all.
_MOST_GONE = 100


class Served:
    """A published model.

    Args:
        model: The model.
        max_queue_size: Requests that may wait for it; of a model that works on any number at once, those under way.
        tallies: What the server measures.

    Attributes:
        measures: Takes note of how its requests went.
        under_way: Requests that have been let in, and have not ended.
        waiting: Those of them that wait for a replica.
    """

    def __init__(self, model: LoadedModel, max_queue_size: int, tallies: Tallies | None = None) -> None:
        name, version = model.settings.name, model.settings.parameters.version or ""
        self.model = model
        self.measures = RequestMeasures.of(tallies or Tallies(), name, version)
        self.under_way = 0
        self.waiting = 0
        self._max_queue_size = max_queue_size
        self._concurrency = model.concurrency
        self._replicas = model.replicas
        self._working = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._interval_s = _AHEAD_S
        self._last_end: float | None = None
        self._window = self._new_window()
        self._idle: asyncio.Event | None = None

    def enter(self) -> None:
        """Let a request in; it has to `leave`.

        Raises:
            OverloadedError: Too many wait already.
        """
        limit = max(1, self._max_queue_size)
        if self._concurrency is not None:
            limit = self._max_queue_size + self._concurrency * max(1, self._replicas())
        if self.under_way >= limit:
            self.measures.refused("queue")
            raise OverloadedError(
                f"Model {self.model.settings.name} has {self._max_queue_size} requests waiting, and takes no more",
                retry_after_s=min(_LONGEST_RETRY_S, max(1, ceil(self.under_way * self._interval_s))),
            )
        self.under_way += 1

    @property
    def has_room(self) -> bool:
        """Whether the model takes a request now."""
        return self._working < self._window and not self._waiting

    def begin(self) -> None:
        """Note that a request that has entered goes to the model; it has to `end`."""
        self._working += 1

    async def turn(self, priority: int) -> None:
        """Wait until the model takes a request that has entered, and note that it begins.

        Args:
            priority: Those with a smaller number come first.
        """
        if self.has_room:
            self._working += 1
            return
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (priority, next(self._numbers), turn))
        self.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.end()  # it was given its turn, and does not take it
            raise
        finally:
            self.waiting -= 1
            if len(self._waiting) > 2 * self.waiting + _MOST_GONE:
                self._waiting = sorted(entry for entry in self._waiting if not entry[2].done())

    def end(self) -> None:
        """Note that the model has done with a request, and let the next one begin."""
        self._working -= 1
        if self._concurrency is None:
            return
        now = time.monotonic()
        if self._last_end is not None:
            self._interval_s += _WEIGHT * (now - self._last_end - self._interval_s)
            self._window = self._new_window()
        self._last_end = now if self._working else None
        while self._waiting and self._working < self._window:
            turn = heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                self._working += 1

    def leave(self) -> None:
        """Note that a request that has entered is over."""
        self.under_way -= 1
        if self._idle is not None and not self.under_way:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until no request is under way."""
        if self.under_way:
            self._idle = self._idle or asyncio.Event()
            await self._idle.wait()

    def _new_window(self) -> float:
        """Return how many requests the replicas are given at once."""
        if self._concurrency is None:
            return float("inf")
        replicas = max(1, self._replicas())
        # Intervals are those of all replicas together.
        ahead = _AHEAD_S / max(self._interval_s * replicas, 1e-6)
        return replicas * (self._concurrency + min(_MOST_AHEAD, max(1, int(ahead))))
