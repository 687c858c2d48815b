"""What one server has measured so far, in numbers that are cheap to add to.

A measurement through the OpenTelemetry SDK costs more than a whole step of a small request, so its own are added up
here, through handles that are bound once, at load, to the labels of one series. `readers.py` shows them to the SDK
when somebody collects; a worker sends what has come since to the front.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, TypeVar

from mlcore.telemetry.instruments import INSTRUMENTS, Instrument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Observer = Callable[[], Iterable[tuple[float, tuple[str, ...]]]]

_BY_NAME = {instrument.name: instrument for instrument in INSTRUMENTS}


class Counter:
    """A number that grows: one series."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total: float = 0

    def add(self, count: float = 1) -> None:
        """Let it grow."""
        self.total += count


class Histogram:
    """How often which values came: one series.

    Args:
        bounds: The upper bounds of the buckets; a last one takes what is above them.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total: float = 0

    def record(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


S = TypeVar("S", Counter, Histogram)


class Tallies:
    """The series of one server, or of one worker."""

    def __init__(self) -> None:
        self.since_ns = time.time_ns()
        self._series: dict[str, dict[tuple[str, ...], Counter | Histogram]] = {}
        self._observers: list[tuple[Instrument, Observer]] = []

    def counter(self, instrument: Instrument, *labels: str) -> Counter:
        """Return the series of a counter with these labels, in the instrument's order."""
        return self._of(instrument, labels, Counter())

    def histogram(self, instrument: Instrument, *labels: str) -> Histogram:
        """Return the series of a histogram with these labels, in the instrument's order."""
        return self._of(instrument, labels, Histogram(instrument.bounds))

    def observe(self, instrument: Instrument, observer: Observer) -> None:
        """Ask for values when somebody collects, in whatever thread that is: each with its labels."""
        self._observers.append((instrument, observer))

    def forget(self, model: str, version: str) -> None:
        """Drop the series of a model that is gone."""
        for name, series in self._series.items():
            if _BY_NAME[name].labels[:2] == ("model", "version"):
                for labels in [labels for labels in list(series) if labels[:2] == (model, version)]:
                    series.pop(labels, None)

    # --- for whoever collects ---

    def series(self) -> list[tuple[Instrument, list[tuple[tuple[str, ...], Counter | Histogram]]]]:
        """Return every instrument that has been measured, with its series."""
        return [(_BY_NAME[name], list(series.items())) for name, series in list(self._series.items())]

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
            for labels, tally in series:
                if isinstance(tally, Counter):
                    total, tally.total = tally.total, 0
                    if total:
                        changes.append([instrument.name, labels, total, None])
                elif any(tally.counts):
                    counts, tally.counts = tally.counts, [0] * len(tally.counts)
                    total, tally.total = tally.total, 0
                    changes.append([instrument.name, labels, total, counts])
        return changes

    def add(self, changes: list[Any]) -> None:
        """Add what a worker has measured."""
        for name, labels, total, counts in changes:
            instrument = _BY_NAME[name]
            if counts is None:
                self.counter(instrument, *labels).add(total)
            else:
                tally = self.histogram(instrument, *labels)
                tally.counts = [before + count for before, count in zip(tally.counts, counts, strict=True)]
                tally.total += total

    def _of(self, instrument: Instrument, labels: tuple[str, ...], new: S) -> S:
        assert len(labels) == len(instrument.labels), f"{instrument.name} has the labels {instrument.labels}"
        found = self._series.setdefault(instrument.name, {}).setdefault(labels, new)
        assert isinstance(found, type(new)), f"{instrument.name} is a {instrument.kind}"
        return found
