"""Metrics of a model's own, for its code to count and time what only it knows.

Make them once, beside the class or in it, and use them in `load`, `predict` and what these call, in any thread that
has their context. They carry the labels `model` and `version` of whichever model runs, and more as keywords.

Example:
    from mlcore import metrics

    dropped = metrics.counter("rows.dropped", "Rows that had no label.", unit="{row}")
    took = metrics.histogram("tokenise.duration", "Time that the tokeniser takes.", unit="s")


    class MyModel(MLModel):
        def predict(self, payload):
            dropped.add(3, reason="empty")
            with took.time():
                ...
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mlcore.errors import FailedPreconditionError, SettingsError
from mlcore.logs import get_logger
from mlcore.telemetry.instruments import COUNTER, DURATIONS, GAUGE, HISTOGRAM, UP_DOWN_COUNTER, Instrument
from mlcore.telemetry.owner import model_owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Counter", "Gauge", "Histogram", "UpDownCounter", "counter", "gauge", "histogram", "up_down_counter"]

log = get_logger("mlcore.metrics")

# Series with different labels that a metric of one model has at most; what comes beyond is one series.
_MOST_SERIES = 1000
_OVERFLOW = (("overflow", "true"),)
_LONGEST_VALUE = 256

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_.]{0,127}")
_LABEL = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,63}")
# What others show under such names.
_RESERVED = ("mlcore", "http_server", "rpc_server", "process", "python", "target", "model_infer", "grpc_server")


def counter(name: str, description: str = "", unit: str = "") -> Counter:
    """Make a metric that only grows, such as rows that were dropped.

    Args:
        name: Its name, words of letters, digits and `_`, joined by dots.
        description: What it says, in one line.
        unit: Its unit, such as `s`, `By` or `{row}`.

    Raises:
        SettingsError: The name is not fit for a metric.
    """
    return Counter(COUNTER, name, description, unit)


def up_down_counter(name: str, description: str = "", unit: str = "") -> UpDownCounter:
    """Make a metric that grows and shrinks, such as open files; that of all workers is the sum. See `counter`."""
    return UpDownCounter(UP_DOWN_COUNTER, name, description, unit)


def gauge(name: str, description: str = "", unit: str = "") -> Gauge:
    """Make a metric that is set, such as a size; of several workers, the one that sets it last wins. See `counter`."""
    return Gauge(GAUGE, name, description, unit)


def histogram(name: str, description: str = "", unit: str = "", buckets: Sequence[float] | None = None) -> Histogram:
    """Make a metric of how values are spread, such as durations. See `counter`.

    Args:
        name: Its name.
        description: What it says, in one line.
        unit: Its unit.
        buckets: The upper bounds of its buckets, ascending; made for seconds if absent.

    Raises:
        SettingsError: The name is not fit for a metric, or the buckets do not ascend.
    """
    bounds = tuple(DURATIONS if buckets is None else buckets)
    if not bounds or any(low >= high for low, high in pairwise(bounds)):
        raise SettingsError(f"metric '{name}': buckets: expected numbers that ascend, got {list(bounds)[:20]}")
    return Histogram(HISTOGRAM, name, description, unit, tuple(map(float, bounds)))


class _Metric:
    """A metric, which belongs to whichever model uses it."""

    def __init__(self, kind: str, name: str, description: str, unit: str, bounds: tuple[float, ...] = ()) -> None:
        _check_name(name)
        self._kind = kind
        self._name = name
        self._unit = unit
        self._description = description
        self._bounds = bounds

    def _series(self, labels: dict[str, Any]) -> Any:
        """Return what is added to for these labels. Hot."""
        owner = model_owner.get()
        if owner is None:
            raise FailedPreconditionError(
                f"metric '{self._name}': used outside of a model; use it in load, predict or unload, or in what these "
                "call, and start threads with their context (contextvars.copy_context().run)"
            )
        key = (self, *labels.items())
        series = owner.series.get(key)
        if series is None:
            given = _checked(self._name, labels)
            if owner.counts.get(self, 0) >= _MOST_SERIES:
                if owner.counts[self] == _MOST_SERIES:
                    owner.counts[self] += 1
                    log.warning(
                        "a metric has too many different labels; what is new is counted as overflow",
                        metric=self._name,
                        most=_MOST_SERIES,
                        model=owner.model,
                    )
                return owner.tallies.of(self._instrument(_OVERFLOW), (owner.model, owner.version, "true"))
            owner.counts[self] = owner.counts.get(self, 0) + 1
            values = (owner.model, owner.version, *(value for _, value in given))
            series = owner.series[key] = owner.tallies.of(self._instrument(given), values)
        return series

    def _instrument(self, labels: tuple[tuple[str, str], ...]) -> Instrument:
        names = ("model", "version", *(name for name, _ in labels))
        return Instrument(self._name, self._kind, self._unit, names, self._description, self._bounds)


class Counter(_Metric):
    """A metric that only grows."""

    def add(self, count: float = 1, /, **labels: Any) -> None:
        """Let it grow.

        Args:
            count: By how much; not less than 0.
            labels: Labels besides `model` and `version`: a few values each, never what a client sends.

        Raises:
            FailedPreconditionError: No model runs here, or another metric has this name.
            SettingsError: A label is not fit for one, or the count is less than 0.
        """
        if count < 0:
            raise SettingsError(f"metric '{self._name}': a counter only grows, got {count}; use up_down_counter")
        self._series(labels).add(count)


class UpDownCounter(_Metric):
    """A metric that grows and shrinks."""

    def add(self, count: float = 1, /, **labels: Any) -> None:
        """Let it grow, or shrink; see `Counter.add`."""
        self._series(labels).add(count)


class Gauge(_Metric):
    """A metric that is set."""

    def set(self, value: float, /, **labels: Any) -> None:
        """Set it; see `Counter.add`."""
        self._series(labels).set(value)


class Histogram(_Metric):
    """A metric of how values are spread."""

    def record(self, value: float, /, **labels: Any) -> None:
        """Count a value; see `Counter.add`."""
        self._series(labels).record(value)

    @contextmanager
    def time(self, **labels: Any) -> Iterator[None]:
        """Record how many seconds a block takes."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.record(time.perf_counter() - began, **labels)


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SettingsError(
            f"metric {name!r:.64}: expected a name of letters, digits, '_' and '.', which begins with a letter"
        )
    first = name.replace(".", "_") + "_"
    for reserved in _RESERVED:
        if first.startswith(f"{reserved}_"):
            raise SettingsError(f"metric '{name}': names that begin with '{reserved}' are taken; choose another")


def _checked(metric: str, labels: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the labels in order, as text."""
    for name in labels:
        if not _LABEL.fullmatch(name) or name in ("model", "version", "le", "quantile"):
            raise SettingsError(
                f"metric '{metric}': the label {name!r:.64}: expected letters, digits and '_', and none of model, "
                "version, le and quantile"
            )
    return tuple((name, str(value)[:_LONGEST_VALUE]) for name, value in sorted(labels.items()))
