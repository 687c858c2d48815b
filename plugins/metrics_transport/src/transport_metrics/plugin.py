"""The hooks of transport-metrics. Nothing heavy is imported here."""

from __future__ import annotations

from mlcore import hookimpl


@hookimpl
def mlcore_transports() -> dict[str, str]:
    """Offer the metrics transport."""
    return {"metrics": "transport_metrics.transport:MetricsTransport"}
