"""The hooks of transport-kafka. Nothing heavy is imported here."""

from __future__ import annotations

from mlcore import hookimpl


@hookimpl
def mlcore_transports() -> dict[str, str]:
    """Offer the Kafka transport."""
    return {"kafka": "transport_kafka.transport:KafkaTransport"}
