"""Whose code runs: for unit tests of models that log metrics."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlcore.telemetry.owner import ModelOwner, model_owner
from mlcore.telemetry.tallies import Tallies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore import ModelSettings

__all__ = ["model_context"]


@contextmanager
def model_context(model_settings: ModelSettings) -> Iterator[None]:
    """Let what is logged in this block count as the model's."""
    token = model_owner.set(ModelOwner(model_settings.name, model_settings.parameters.version or "", Tallies()))
    try:
        yield
    finally:
        model_owner.reset(token)
