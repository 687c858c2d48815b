"""What Prometheus calls what mlcore measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.telemetry.instruments import COUNTER, INSTRUMENTS
from opentelemetry.exporter.prometheus._mapping import map_unit, sanitize_full_name

if TYPE_CHECKING:
    from mlcore.telemetry.instruments import Instrument


def prometheus_name(instrument: Instrument) -> str:
    """Return the name of an instrument in queries; of a histogram, without `_bucket`, `_sum` or `_count`."""
    name = sanitize_full_name(instrument.name)
    unit = map_unit(instrument.unit)
    if unit and not name.endswith(f"_{unit}"):
        name = f"{name}_{unit}"
    return f"{name}_total" if instrument.kind == COUNTER else name


def prometheus_names() -> set[str]:
    """Return the names of all of them."""
    return {prometheus_name(instrument) for instrument in INSTRUMENTS}
