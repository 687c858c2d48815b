"""What a server has measured, as the OpenTelemetry SDK sees it: any of its readers can show that too.

The SDK is imported with this module: only where somebody collects.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry.sdk.metrics import Counter as SdkCounter
from opentelemetry.sdk.metrics import Histogram as SdkHistogram
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mlcore.telemetry.instruments import COUNTER, GAUGE, HISTOGRAM, UP_DOWN_COUNTER, Instrument
from mlcore.telemetry.tallies import Counter, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.sdk.metrics.export import MetricReader

    from mlcore.telemetry.tallies import Tallies, Tally

_SCOPE = "mlcore"


def include(reader: MetricReader, tallies: Tallies) -> None:
    """Let a reader of the OpenTelemetry SDK show what a server measures, besides what the SDK has.

    Args:
        reader: One of a meter provider that is, or will be, that of this process.
        tallies: `Server.tallies`.

    Example:
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        include(reader, server.tallies)
        metrics.set_meter_provider(MeterProvider([reader]))
    """
    # The SDK calls no reader while nothing is measured through it.
    metrics.get_meter(_SCOPE, mlcore_version()).create_observable_gauge(
        "mlcore.info", [_info], description="1, with the version of mlcore."
    )
    receive = reader._receive_metrics
    shown = _Shown(reader, tallies)

    def receive_all(metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        receive(shown.with_tallies(metrics_data), timeout_millis=timeout_millis, **kwargs)

    setattr(reader, "_receive_metrics", receive_all)  # noqa: B010  # a method of one object


class _Shown:
    """What one reader is shown of a server's tallies; of changes, it remembers what it has been shown.

    Args:
        reader: The reader, which says whether it wants totals or changes.
        tallies: What the server measures.
    """

    def __init__(self, reader: MetricReader, tallies: Tallies) -> None:
        self._tallies = tallies
        wanted = reader._preferred_temporality or {}
        self._of_counters = wanted.get(SdkCounter, AggregationTemporality.CUMULATIVE)
        self._of_histograms = wanted.get(SdkHistogram, AggregationTemporality.CUMULATIVE)
        self._since_ns = tallies.since_ns
        self._before: dict[tuple[str, tuple[str, ...]], Any] = {}

    def with_tallies(self, data: MetricsData) -> MetricsData:
        """Return what the SDK has collected, and the tallies."""
        now_ns = time.time_ns()
        scope = InstrumentationScope(_SCOPE, mlcore_version())
        shown = ScopeMetrics(scope, [*self._summed(now_ns), *self._observed(now_ns)], "")
        self._since_ns = now_ns
        first, *others = data.resource_metrics
        resource = ResourceMetrics(first.resource, [*first.scope_metrics, shown], first.schema_url)
        return MetricsData([resource, *others])

    def _summed(self, now_ns: int) -> Iterable[Metric]:
        # A model's own metric may have several sets of labels, and is one all the same.
        groups: dict[str, list[tuple[Instrument, tuple[str, ...], Tally]]] = {}
        for instrument, series in self._tallies.series():
            group = groups.setdefault(instrument.name, [])
            group.extend((instrument, labels, tally) for labels, tally in series)
        for group in groups.values():
            if group:
                first = group[0][0]
                points = [self._point(instrument, labels, tally, now_ns) for instrument, labels, tally in group]
                yield Metric(first.name, first.description, first.unit, self._data(first.kind, points))

    def _data(self, kind: str, points: list[Any]) -> Any:
        if kind == HISTOGRAM:
            return HistogramData(points, self._of_histograms)
        if kind == GAUGE:
            return Gauge(points)
        if kind == UP_DOWN_COUNTER:
            return Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=False)
        return Sum(points, self._of_counters, is_monotonic=True)

    def _point(self, instrument: Instrument, labels: tuple[str, ...], tally: Tally, now_ns: int) -> Any:
        if isinstance(tally, Histogram):
            return self._spread(instrument, labels, tally, now_ns)
        if instrument.kind == COUNTER and isinstance(tally, Counter):
            return self._number(instrument, labels, tally, now_ns)
        value = tally.total if isinstance(tally, Counter) else tally.value
        return NumberDataPoint(_attributes(instrument, labels), self._tallies.since_ns, now_ns, value)

    def _observed(self, now_ns: int) -> Iterable[Metric]:
        start_ns = self._tallies.since_ns
        for instrument, values in self._tallies.observed():
            points = [
                NumberDataPoint(_attributes(instrument, labels), start_ns, now_ns, value) for labels, value in values
            ]
            data: Any = Gauge(points)
            if instrument.kind == COUNTER:
                data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
            yield Metric(instrument.name, instrument.description, instrument.unit, data)

    def _number(self, instrument: Instrument, labels: tuple[str, ...], tally: Counter, now_ns: int) -> NumberDataPoint:
        value, start_ns = tally.total, self._tallies.since_ns
        if self._of_counters is AggregationTemporality.DELTA:
            key, start_ns, total = (instrument.name, labels), self._since_ns, value
            value -= self._before.get(key, 0)
            self._before[key] = total
        return NumberDataPoint(_attributes(instrument, labels), start_ns, now_ns, value)

    def _spread(
        self, instrument: Instrument, labels: tuple[str, ...], tally: Histogram, now_ns: int
    ) -> HistogramDataPoint:
        counts, total, start_ns = list(tally.counts), tally.total, self._tallies.since_ns
        if self._of_histograms is AggregationTemporality.DELTA:
            key, start_ns = (instrument.name, labels), self._since_ns
            seen, seen_total = self._before.get(key, ([0] * len(counts), 0))
            self._before[key] = (counts, total)
            counts, total = [now - before for now, before in zip(counts, seen, strict=True)], total - seen_total
        # The least and the most are not known, which the protocol allows; the SDK's type does not.
        return HistogramDataPoint(
            _attributes(instrument, labels),
            start_ns,
            now_ns,
            sum(counts),
            total,
            counts,
            instrument.bounds,
            min=None,  # type: ignore[arg-type]
            max=None,  # type: ignore[arg-type]
        )


def mlcore_version() -> str:
    """Return the installed version of the core."""
    return version("mlcore-core")


def _info(_: CallbackOptions) -> Iterable[Observation]:
    yield metrics.Observation(1, {"version": mlcore_version()})


def _attributes(instrument: Instrument, labels: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(instrument.labels, labels, strict=True))
