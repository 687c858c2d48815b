"""What is measured of each HTTP request, by the names of OpenTelemetry's semantic conventions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlcore.telemetry.instruments import HTTP_ACTIVE, HTTP_DURATION, HTTP_REQUEST_SIZE, HTTP_RESPONSE_SIZE

from transport_rest.routes import method_of, route_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcore.telemetry.tallies import Histogram, Tallies

    from transport_rest.exchange import Exchange


class HttpMeasures:
    """Measures the requests of one server.

    Args:
        tallies: What the server measures.
    """

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._active: dict[str, int] = {}
        self._series: dict[tuple[str, str, int], tuple[Histogram, Histogram, Histogram]] = {}
        tallies.observe(HTTP_ACTIVE, self._observed)

    def begin(self, exchange: Exchange) -> None:
        """Count a request that has begun."""
        method = method_of(exchange.scope)
        self._active[method] = self._active.get(method, 0) + 1

    def end(self, exchange: Exchange) -> None:
        """Measure a request that has ended."""
        scope = exchange.scope
        method = method_of(scope)
        self._active[method] -= 1
        key = (method, route_of(scope) or "", exchange.status)
        durations, requests, responses = self._series.get(key) or self._series_of(key)
        durations.record(time.monotonic() - exchange.since)
        requests.record(exchange.received)
        responses.record(exchange.sent)

    def _observed(self) -> Iterable[tuple[float, tuple[str, ...]]]:
        return [(count, (method,)) for method, count in self._active.copy().items()]

    def _series_of(self, key: tuple[str, str, int]) -> tuple[Histogram, Histogram, Histogram]:
        labels = (key[0], key[1], str(key[2]))
        durations = self._tallies.histogram(HTTP_DURATION, *labels)
        sizes = (
            self._tallies.histogram(HTTP_REQUEST_SIZE, *labels),
            self._tallies.histogram(HTTP_RESPONSE_SIZE, *labels),
        )
        return self._series.setdefault(key, (durations, *sizes))
