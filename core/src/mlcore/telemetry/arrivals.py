"""What the front does with what workers tell of their spans, log lines and metrics: it goes where its own goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    Taker = Callable[[int, list[Any]], None]

log = get_logger("mlcore.workers")


class Arrivals:
    """Takes what workers tell. What nobody here collects, workers are not asked for."""

    def __init__(self) -> None:
        self._takers: dict[str, Taker] = {}

    @property
    def kinds(self) -> list[str]:
        """What workers are asked for."""
        return sorted(self._takers)

    def take(self, pid: int, facts: dict[str, list[Any]]) -> None:
        """Hand on what a worker sent: items by their kind, see `Outbox`."""
        for kind, items in facts.items():
            taker = self._takers.get(kind)
            if taker is not None:
                try:
                    taker(pid, items)
                except Exception:  # a worker of another version, or a collector of the user's: no request depends on it
                    log.exception("what a worker told cannot be passed on", kind=kind, pid=pid)
