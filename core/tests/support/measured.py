"""What a server has measured, in the words of a test."""

from mlcore.telemetry.instruments import Instrument
from mlcore.telemetry.tallies import Counter, Tallies


def seen(tallies: Tallies, instrument: Instrument) -> dict[tuple[str, ...], float]:
    """Return the labels of each series, with how many values it has, or the value of a counter or gauge."""
    for known, series in tallies.series():
        if known is instrument:
            counts = {
                labels: tally.total if isinstance(tally, Counter) else sum(tally.counts) for labels, tally in series
            }
            return {labels: count for labels, count in counts.items() if count}
    return {labels: value for known, values in tallies.observed() if known is instrument for labels, value in values}


def total(tallies: Tallies, instrument: Instrument) -> float:
    """Return the sum of all values of a histogram."""
    return sum(tally.total for known, series in tallies.series() if known is instrument for _, tally in series)
