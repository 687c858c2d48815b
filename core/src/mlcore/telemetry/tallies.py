"""What one server has measured so far, in numbers that are cheap to add to.

A measurement through the OpenTelemetry SDK costs more than a whole step of a small request, so its own are added up
here, through handles that are bound once, at load, to the labels of one series. `readers.py` shows them to the SDK
when somebody collects; a worker sends what has come since to the front.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcore.errors import FailedPreconditionError
from mlcore.logs import get_logger
from mlcore.telemetry.instruments import GAUGE, HISTOGRAM, INSTRUMENTS, Instrument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Observer = Callable[[], Iterable[tuple[float, tuple[str, ...]]]]

log = get_logger("mlcore.metrics")

SORT_S = 0.25
"""How often values are sorted into their buckets."""

# From so many values on, it pays to make an array of them.
_MANY = 32

_OWN = {instrument.name: instrument for instrument in INSTRUMENTS}


class Counter:
    """A number that is added to: one series."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total: float = 0

    def add(self, count: float = 1) -> None:
        """Add to it."""
        self.total += count


class Gauge:
    """A number that is set: one series."""

    __slots__ = ("is_new", "value")

    def __init__(self) -> None:
        self.value: float = 0
        self.is_new = False

    def set(self, value: float) -> None:
        """Set it."""
        self.value = value
        self.is_new = True


class Histogram:
    """How often which values came: one series.

    A value is only put down; a few times a second, and before somebody reads, all are sorted into the buckets at once.
    That costs a third of doing it one by one.

    Args:
        bounds: The upper bounds of the buckets; a last one takes what is above them.

    Attributes:
        record: Counts a value, from any thread.
        counts: How many values each bucket has, but for the latest.
        total: The sum of these.
    """

    __slots__ = ("_latest", "bounds", "counts", "record", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total: float = 0
        self._latest: list[float] = []
        self.record: Callable[[float], None] = self._latest.append

    def sort_in(self) -> None:
        """Sort the latest values into the buckets; not from two threads at once."""
        values = self._latest[:]
        if not values:
            return
        del self._latest[: len(values)]
        if len(values) < _MANY:
            for value in values:
                self.counts[bisect_left(self.bounds, value)] += 1
            self.total += sum(values)
            return
        array = np.array(values, np.float64)
        added = np.bincount(np.searchsorted(self.bounds, array), minlength=len(self.counts)).tolist()
        self.counts = [before + count for before, count in zip(self.counts, added, strict=True)]
        self.total += float(array.sum())


Tally = Counter | Gauge | Histogram


class Tallies:
    """The series of one server, or of one worker.

    Attributes:
        is_on: Whether somebody wants to measure: not if `OTEL_SDK_DISABLED` is true, as all of OpenTelemetry has it.
    """

    def __init__(self) -> None:
        self.is_on = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"
        self.since_ns = time.time_ns()
        self._series: dict[Instrument, dict[tuple[str, ...], Tally]] = {}
        self._observers: list[tuple[Instrument, Observer]] = []
        self._shapes: dict[str, Instrument] = {}
        self._sorting = threading.Lock()

    def counter(self, instrument: Instrument, *labels: str) -> Counter:
        """Return the series of a counter with these labels, in the instrument's order."""
        found = self.of(instrument, labels)
        assert isinstance(found, Counter), f"{instrument.name} is a {instrument.kind}"
        return found

    def histogram(self, instrument: Instrument, *labels: str) -> Histogram:
        """Return the series of a histogram with these labels, in the instrument's order."""
        found = self.of(instrument, labels)
        assert isinstance(found, Histogram), f"{instrument.name} is a {instrument.kind}"
        return found

    def of(self, instrument: Instrument, labels: tuple[str, ...]) -> Tally:
        """Return a series.

        Raises:
            FailedPreconditionError: Another instrument has this name.
        """
        assert len(labels) == len(instrument.labels), f"{instrument.name} has the labels {instrument.labels}"
        series = self._series.get(instrument)
        if series is None:
            self._check_shape(instrument)
            series = self._series.setdefault(instrument, {})
        tally = series.get(labels)
        return tally if tally is not None else series.setdefault(labels, _new(instrument))

    def observe(self, instrument: Instrument, observer: Observer) -> None:
        """Ask for values when somebody collects, in whatever thread that is: each with its labels."""
        self._observers.append((instrument, observer))

    def forget(self, model: str, version: str) -> None:
        """Drop the series of a model that is gone."""
        for instrument, series in list(self._series.items()):
            if instrument.labels[:2] == ("model", "version"):
                for labels in [labels for labels in list(series) if labels[:2] == (model, version)]:
                    series.pop(labels, None)

    def sort_in(self) -> None:
        """Sort the latest values of histograms into their buckets. Whoever owns this does so a few times a second."""
        with self._sorting:
            for series in list(self._series.values()):
                for tally in list(series.values()):
                    if isinstance(tally, Histogram):
                        tally.sort_in()

    # --- for whoever collects ---

    def series(self) -> list[tuple[Instrument, list[tuple[tuple[str, ...], Tally]]]]:
        """Return every instrument that has been measured, with its series."""
        self.sort_in()
        return [(instrument, list(series.items())) for instrument, series in list(self._series.items())]

    def observed(self) -> list[tuple[Instrument, list[tuple[tuple[str, ...], float]]]]:
        """Ask for the values that are only known when asked for."""
        found: dict[Instrument, list[tuple[tuple[str, ...], float]]] = {}
        for instrument, observer in self._observers:
            found.setdefault(instrument, []).extend((labels, value) for value, labels in observer())
        return list(found.items())

    # --- between a worker and the front ---

    def taken(self) -> list[Any]:
        """Return what has come since this was asked before, as plain data."""
        changes: list[Any] = []
        for instrument, series in self.series():
            key = instrument.name if _OWN.get(instrument.name) is instrument else list(instrument)
            for labels, tally in series:
                if isinstance(tally, Counter):
                    total, tally.total = tally.total, 0
                    if total:
                        changes.append([key, labels, total, None])
                elif isinstance(tally, Gauge):
                    if tally.is_new:
                        tally.is_new = False
                        changes.append([key, labels, tally.value, None])
                elif any(tally.counts):
                    counts, tally.counts = tally.counts, [0] * len(tally.counts)
                    total, tally.total = tally.total, 0
                    changes.append([key, labels, total, counts])
        return changes

    def add(self, changes: list[Any]) -> None:
        """Add what a worker has measured."""
        for key, labels, value, counts in changes:
            try:
                tally = self.of(_OWN[key] if isinstance(key, str) else _instrument_of(key), tuple(labels))
            except FailedPreconditionError as error:  # two models, in two workers, do not agree
                log.warning("a metric of a model is left out", model=labels[0], reason=str(error))
                continue
            if isinstance(tally, Counter):
                tally.add(value)
            elif isinstance(tally, Gauge):
                tally.set(value)
            else:
                tally.counts = [before + count for before, count in zip(tally.counts, counts, strict=True)]
                tally.total += value

    def _check_shape(self, instrument: Instrument) -> None:
        """Check that whoever reads will find one kind of thing under each name."""
        known = self._shapes.setdefault(instrument.name.replace(".", "_"), instrument)
        if _shape(known) != _shape(instrument):
            raise FailedPreconditionError(
                f"metric '{instrument.name}': it is a {_shown(instrument)} here, and '{known.name}' is a "
                f"{_shown(known)} elsewhere; give them different names, or make them the same"
            )


def _new(instrument: Instrument) -> Tally:
    if instrument.kind == HISTOGRAM:
        return Histogram(instrument.bounds)
    return Gauge() if instrument.kind == GAUGE else Counter()


def _instrument_of(plain: list[Any]) -> Instrument:
    name, kind, unit, labels, description, bounds = plain
    return Instrument(name, kind, unit, tuple(labels), description, tuple(bounds))


def _shape(instrument: Instrument) -> tuple[Any, ...]:
    return instrument.name, instrument.kind, instrument.unit, instrument.bounds


def _shown(instrument: Instrument) -> str:
    unit = f" of unit '{instrument.unit}'" if instrument.unit else ""
    buckets = f" with the buckets {list(instrument.bounds)}" if instrument.bounds else ""
    return f"{instrument.kind}{unit}{buckets}"
