"""Whose code runs: the model that a metric of a model's own belongs to."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlcore.telemetry.tallies import Tallies, Tally


class ModelOwner:
    """One load of a model, as what it measures belongs to it.

    Args:
        model: The model's name.
        version: Its version; empty if it has none.
        tallies: Where it is measured.

    Attributes:
        series: Its series, by whatever its metrics know them by.
        counts: How many of them each metric has.
    """

    def __init__(self, model: str, version: str, tallies: Tallies) -> None:
        self.model = model
        self.version = version
        self.tallies = tallies
        self.series: dict[Any, Tally] = {}
        self.counts: dict[Any, int] = {}


model_owner: ContextVar[ModelOwner | None] = ContextVar("mlcore_model_owner", default=None)
"""The model that is loaded, asked or unloaded in this context."""
