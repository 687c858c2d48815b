"""What the front does with what workers tell of their spans, log lines and metrics: it goes where its own goes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mlcore.logs import get_logger
from mlcore.telemetry.exporters import LOGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Callable

    Taker = Callable[[int, list[Any]], None]

log = get_logger("mlcore.workers")


class Arrivals:
    """Takes what workers tell. What nobody here collects, workers are not asked for."""

    def __init__(self) -> None:
        self._takers: dict[str, Taker] = {}
        if taker := _spans_taker():
            self._takers[TRACES] = taker
        if taker := _lines_taker():
            self._takers[LOGS] = taker

    def add(self, kind: str, taker: Taker) -> None:
        """Have items of a kind taken by a function."""
        self._takers[kind] = taker

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


def _spans_taker() -> Taker | None:
    """Return what hands spans to the processors of this process' provider, if that is one of the SDK."""
    if "opentelemetry.sdk.trace" not in sys.modules:
        return None
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    from mlcore.telemetry.spans import unpacked_span

    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        return None
    resources: dict[int, Resource] = {}

    def take(pid: int, packed: list[Any]) -> None:
        resource = resources.get(pid)
        if resource is None:
            resource = resources[pid] = provider.resource.merge(Resource({"process.pid": pid}))
        for span in packed:
            # Private, but there is no other way for a span of another process to the exporters that a user chose.
            provider._active_span_processor.on_end(unpacked_span(span, resource))

    return take


def _lines_taker() -> Taker | None:
    """Return what hands log lines to this process' provider, if that is one of the SDK."""
    if "opentelemetry.sdk._logs" not in sys.modules:
        return None
    from opentelemetry import _logs
    from opentelemetry.sdk._logs import LoggerProvider

    from mlcore.telemetry.log_lines import LineRecords

    provider = _logs.get_logger_provider()
    if not isinstance(provider, LoggerProvider):
        return None
    records = LineRecords(provider)

    def take(pid: int, lines: list[Any]) -> None:
        for line in lines:
            records.emit(line, pid)

    return take
