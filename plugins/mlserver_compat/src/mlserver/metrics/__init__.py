"""Metrics of a model's own. They are mlcore's histograms, with the labels `model` and `version`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlserver.metrics.errors import InvalidModelContext, MetricNotFound

if TYPE_CHECKING:
    from mlcore.metrics import Histogram

__all__ = ["InvalidModelContext", "MetricNotFound", "log", "register"]

_known: dict[str, Histogram] = {}


def register(name: str, description: str) -> Histogram:
    """Make a metric that `log` counts values in; a second call of one name returns the first one.

    Args:
        name: Its name.
        description: What it says, in one line.
    """
    return _histogram(name, description)


def log(**metrics: Any) -> None:
    """Count a value in each metric, in code that a model runs.

    Args:
        metrics: Name to value. A metric that nobody registered is made.

    Raises:
        InvalidModelContext: No model runs here.
    """
    from mlcore.telemetry.owner import model_owner

    if model_owner.get() is None:
        raise InvalidModelContext(", ".join(metrics))
    for name, value in metrics.items():
        _histogram(name, "").record(value)


def _histogram(name: str, description: str) -> Histogram:
    from mlcore.metrics import histogram

    if name not in _known:
        _known[name] = histogram(name, description)
    return _known[name]
