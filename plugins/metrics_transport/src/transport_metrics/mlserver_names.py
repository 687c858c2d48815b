"""What is measured under MLServer's names, so that dashboards and alerts that were made for it go on.

Its names and labels are those of MLServer 1.7. `batch_request_queue` and `parallel_request_queue` are not among them:
they tell queue lengths at arrival in buckets made for seconds.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from mlcore.telemetry import instruments
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcore.telemetry.instruments import Instrument
    from mlcore.telemetry.tallies import Histogram, Tallies

_APP = "mlserver"
_MODEL = ["model", "version"]
_REST = ["method", "path", "status_code", "app_name"]


class MlserverNames(Collector):
    """Shows a server's tallies as MLServer would have shown them.

    Args:
        tallies: What the server measures.
        rest_prefix: What the names of REST's metrics begin with.
    """

    def __init__(self, tallies: Tallies, rest_prefix: str) -> None:
        self._tallies = tallies
        self._prefix = rest_prefix

    def collect(self) -> Iterable[Metric]:
        """Return all of them as they are now."""
        yield from self._of_models()
        yield from self._of_rest()
        yield from self._of_grpc()

    def _of_models(self) -> Iterable[Metric]:
        success = CounterMetricFamily("model_infer_request_success", "Model infer request success count", labels=_MODEL)
        failure = CounterMetricFamily("model_infer_request_failure", "Model infer request failure count", labels=_MODEL)
        duration = SummaryMetricFamily("model_infer_request_duration", "Model infer request duration", labels=_MODEL)
        failed: dict[tuple[str, ...], int] = {}
        took: dict[tuple[str, ...], tuple[int, float]] = {}
        for labels, tally in self._histograms(instruments.REQUEST_DURATION):
            model, outcome, count = labels[:2], labels[2], sum(tally.counts)
            if outcome == "ok":
                success.add_metric(model, count)
            failed[model] = failed.get(model, 0) + (count if outcome != "ok" else 0)
            counted, seconds = took.get(model, (0, 0.0))
            took[model] = (counted + count, seconds + tally.total)
        for model, count in failed.items():
            failure.add_metric(model, count)
        for model, (count, seconds) in took.items():
            duration.add_metric(model, count, seconds)
        yield from (success, failure, duration)

    def _of_rest(self) -> Iterable[Metric]:
        total = CounterMetricFamily(f"{self._prefix}_requests", "Total HTTP requests", labels=_REST)
        duration = HistogramMetricFamily(
            f"{self._prefix}_request_duration_seconds", "HTTP request duration, in seconds", labels=_REST
        )
        for (method, route, status), tally in self._histograms(instruments.HTTP_DURATION):
            labels = [method, route, status, _APP]
            total.add_metric(labels, sum(tally.counts))
            duration.add_metric(labels, _buckets(tally), tally.total)
        active = GaugeMetricFamily(
            f"{self._prefix}_requests_in_progress", "Total HTTP requests in progress", labels=["method", "app_name"]
        )
        for instrument, values in self._tallies.observed():
            if instrument is instruments.HTTP_ACTIVE:
                for (method,), value in values:
                    active.add_metric([method, _APP], value)
        yield from (total, duration, active)

    def _of_grpc(self) -> Iterable[Metric]:
        labels = ["grpc_type", "grpc_service", "grpc_method"]
        started = CounterMetricFamily("grpc_server_started", "RPCs started on the server", labels=labels)
        handled = CounterMetricFamily("grpc_server_handled", "RPCs completed", labels=[*labels, "grpc_code"])
        handling = HistogramMetricFamily("grpc_server_handling_seconds", "Response latency of RPCs", labels=labels)
        by_method: dict[tuple[str, ...], tuple[list[int], float, Histogram]] = {}
        for (method, code), tally in self._histograms(instruments.RPC_DURATION):
            service, _, name = method.rpartition("/")
            names: tuple[str, ...] = ("UNARY" if "Stream" not in name else "BIDI_STREAMING", service, name)
            handled.add_metric([*names, code], sum(tally.counts))
            counts, seconds, _ = by_method.get(names, ([0] * len(tally.counts), 0.0, tally))
            added = [before + count for before, count in zip(counts, tally.counts, strict=True)]
            by_method[names] = (added, seconds + tally.total, tally)
        for names, (counts, seconds, tally) in by_method.items():
            started.add_metric(names, sum(counts))
            handling.add_metric(names, _buckets(tally, counts), seconds)
        yield from (started, handled, handling)

    def _histograms(self, wanted: Instrument) -> list[tuple[tuple[str, ...], Histogram]]:
        for instrument, series in self._tallies.series():
            if instrument is wanted:
                return series  # type: ignore[return-value]  # the tallies of a histogram are ones
        return []


def _buckets(tally: Histogram, counts: list[int] | None = None) -> list[tuple[str, float]]:
    bounds = [*(str(float(bound)) for bound in tally.bounds), "+Inf"]
    return list(zip(bounds, map(float, accumulate(counts or tally.counts)), strict=True))
