"""What a worker has to tell the front of its spans, log lines and metrics: gathered, and sent a few times a second."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

from mlcore.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

log = get_logger("mlcore.workers")

# How long something waits for more.
_WAIT_S = 0.25
# The most of each kind that waits; what comes beyond is dropped, as it would be where no collector takes it.
_MOST = 2048


class Outbox:
    """Gathers what threads and tasks put in, and sends it together.

    Args:
        send: Sends plain data to the front, on the event loop.
    """

    def __init__(self, send: Callable[[dict[str, list[Any]]], None]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._gathered: dict[str, deque[Any]] = {}
        self._sources: dict[str, Callable[[], list[Any]]] = {}
        self._is_awake = False

    def put(self, kind: str, item: Any) -> None:
        """Send an item soon; from any thread.

        Args:
            kind: What the front takes it for: `spans`, `logs`.
            item: Plain data.
        """
        waiting = self._gathered.get(kind)
        if waiting is None:
            waiting = self._gathered.setdefault(kind, deque())
        if len(waiting) < _MOST:
            waiting.append(item)
        self.wake()

    def add_source(self, kind: str, source: Callable[[], list[Any]]) -> None:
        """Ask a function for items whenever something is sent. It calls `wake` when it has some."""
        self._sources[kind] = source

    def wake(self) -> None:
        """Send soon what there is; from any thread."""
        if not self._is_awake:
            self._is_awake = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: the worker has ended
                self._loop.call_soon_threadsafe(self._loop.call_later, _WAIT_S, self.flush)

    def flush(self) -> None:
        """Send at once what there is."""
        self._is_awake = False
        facts = {}
        for kind, source in self._sources.items():
            try:
                if items := source():
                    facts[kind] = items
            except Exception:  # telemetry that fails is no reason for a worker to
                log.exception("a worker cannot say what it has measured", kind=kind)
        for kind, waiting in list(self._gathered.items()):
            if items := [waiting.popleft() for _ in range(len(waiting))]:
                facts[kind] = items
        if facts:
            self._send(facts)
