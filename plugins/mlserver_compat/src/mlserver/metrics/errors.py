"""The errors of metrics."""

from __future__ import annotations

from typing import Any

from mlserver.errors import MLServerError

__all__ = ["InvalidModelContext", "MetricNotFound"]


class InvalidModelContext(MLServerError):
    """A metric is used where no model runs."""

    def __init__(self, what: str = "") -> None:
        super().__init__(
            f"metric {what}: used outside of a model; use it in load, predict or unload, or in what these call", 500
        )


class MetricNotFound(MLServerError):
    """There is no such metric."""

    def __init__(self, metric_name: str, collector: Any = None) -> None:
        super().__init__(f"there is no metric '{metric_name}'; make it with mlserver.register", 500)
