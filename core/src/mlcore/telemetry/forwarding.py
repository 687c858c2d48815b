"""What code in a worker measures through the OpenTelemetry API, on its way to the provider of the front.

A worker has no SDK of metrics. Sums, last values and samples wait here until the worker reports; the front records
them on its own provider, under the same names. Nothing of what a worker has reported is lost when it ends. Metrics of
models go another, cheaper way: see `mlcore.metrics`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider

from mlcore.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

log = get_logger("mlcore.metrics")

METRICS_API = "metrics_api"
"""What the outbox calls these."""

# The most samples of one series between two reports: the front takes some 15 microseconds for each.
_MOST_SAMPLES = 2000

_ADDED = frozenset({"counter", "up_down_counter"})


class ForwardedMeterProvider(MeterProvider):
    """The provider of a worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[Any, Any] = {}
        self._observed: list[tuple[list[Any], list[Any]]] = []
        self._totals: dict[Any, float] = {}
        self._has_warned = False

    def get_meter(
        self, name: str, version: str | None = None, schema_url: str | None = None, attributes: Any = None
    ) -> Meter:
        """Return a meter; what is measured with it goes to one of the same name in the front."""
        return _ForwardedMeter(self, name, version, schema_url)

    def measure(self, instrument: tuple[Any, ...], value: float, attributes: Any) -> None:
        """Keep a measurement until the worker reports."""
        kind = instrument[3]
        key = (instrument, _frozen(attributes))
        with self._lock:
            if kind in _ADDED:
                self._waiting[key] = self._waiting.get(key, 0) + value
            elif kind == "gauge":
                self._waiting[key] = value
            else:
                samples = self._waiting.setdefault(key, [])
                if len(samples) < _MOST_SAMPLES:
                    samples.append(value)
                    return
        if kind == "histogram" and not self._has_warned:
            self._has_warned = True
            log.warning("a histogram has too many samples to pass on; see mlcore.metrics", metric=instrument[4])

    def observe(self, instrument: tuple[Any, ...], callbacks: Any) -> None:
        """Ask for values whenever the worker reports."""
        self._observed.append((list(instrument), list(callbacks or ())))

    def taken(self) -> list[Any]:
        """Return what has come since this was asked before, as plain data."""
        self._ask()
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        return [[list(instrument), dict(attributes), values] for (instrument, attributes), values in waiting.items()]

    def _ask(self) -> None:
        for described, callbacks in self._observed:
            instrument = tuple(described)
            for callback in callbacks:
                try:
                    observations = list(callback(CallbackOptions()) or ())
                except Exception as error:  # a library's callback may raise anything
                    log.warning("a metric cannot be observed", metric=described[4], reason=repr(error))
                    continue
                for observation in observations:
                    value = observation.value
                    if described[3] in _ADDED:  # these say totals, of which the front wants what came since
                        key = (instrument, _frozen(observation.attributes))
                        value, self._totals[key] = value - self._totals.get(key, 0), value
                    self.measure(instrument, value, observation.attributes)


class _ForwardedMeter(Meter):
    """Makes instruments that forward what they measure."""

    def __init__(
        self, provider: ForwardedMeterProvider, name: str, version: str | None, schema_url: str | None
    ) -> None:
        super().__init__(name, version, schema_url)
        self._provider = provider

    def _describe(self, kind: str, name: str, unit: str, description: str, bounds: Any = None) -> tuple[Any, ...]:
        scope = (self.name, self.version, self.schema_url)
        return (*scope, kind, name, unit, description, None if bounds is None else tuple(bounds))

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Any:
        return _Forwarded(self._provider, self._describe("counter", name, unit, description))

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> Any:
        return _Forwarded(self._provider, self._describe("up_down_counter", name, unit, description))

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Any = None,
    ) -> Any:
        described = self._describe("histogram", name, unit, description, explicit_bucket_boundaries_advisory)
        return _Forwarded(self._provider, described)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> Any:
        return _Forwarded(self._provider, self._describe("gauge", name, unit, description))

    def create_observable_counter(self, name: str, callbacks: Any = None, unit: str = "", description: str = "") -> Any:
        return self._observable("counter", name, callbacks, unit, description)

    def create_observable_up_down_counter(
        self, name: str, callbacks: Any = None, unit: str = "", description: str = ""
    ) -> Any:
        return self._observable("up_down_counter", name, callbacks, unit, description)

    def create_observable_gauge(self, name: str, callbacks: Any = None, unit: str = "", description: str = "") -> Any:
        return self._observable("gauge", name, callbacks, unit, description)

    def _observable(self, kind: str, name: str, callbacks: Any, unit: str, description: str) -> Any:
        described = self._describe(kind, name, unit, description)
        self._provider.observe(described, callbacks)
        return _Forwarded(self._provider, described)


class _Forwarded(
    metrics.Counter,
    metrics.UpDownCounter,
    metrics.Histogram,
    metrics._Gauge,
    metrics.ObservableCounter,
    metrics.ObservableUpDownCounter,
    metrics.ObservableGauge,
):
    """An instrument of whatever kind its meter made it for."""

    def __init__(self, provider: ForwardedMeterProvider, described: tuple[Any, ...]) -> None:
        self._provider = provider
        self._described = described

    def add(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        """Add to a counter, which only grows, or to one that does both."""
        if amount >= 0 or self._described[3] == "up_down_counter":
            self._provider.measure(self._described, amount, attributes)

    def record(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        """Count a value."""
        self._provider.measure(self._described, amount, attributes)

    def set(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        """Set a gauge."""
        self._provider.measure(self._described, amount, attributes)


class Replay:
    """Records in the front what workers have measured."""

    def __init__(self) -> None:
        self._instruments: dict[Any, Callable[[float, Any], None]] = {}

    def take(self, pid: int, measured: list[Any]) -> None:
        """Record it on this process' provider."""
        for described, attributes, values in measured:
            key = (*described[:7], None if described[7] is None else tuple(described[7]))
            record = self._instruments.get(key)
            if record is None:
                record = self._instruments[key] = _recorder(*key)
            for value in values if isinstance(values, list) else (values,):
                record(value, attributes)


def _recorder(
    scope: str, version: str | None, schema: str | None, kind: str, name: str, unit: str, description: str, bounds: Any
) -> Callable[[float, Any], None]:
    meter = metrics.get_meter(scope, version or "", schema_url=schema)
    if kind == "counter":
        return meter.create_counter(name, unit, description).add
    if kind == "up_down_counter":
        return meter.create_up_down_counter(name, unit, description).add
    if kind == "gauge":
        return meter.create_gauge(name, unit, description).set
    return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=bounds).record


def _frozen(attributes: Any) -> tuple[tuple[str, Any], ...]:
    """Return attributes as a key; their lists become tuples."""
    if not attributes:
        return ()
    return tuple(sorted((key, tuple(value) if isinstance(value, list) else value) for key, value in attributes.items()))
