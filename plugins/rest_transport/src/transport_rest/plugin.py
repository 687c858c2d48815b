"""The hooks of transport-rest. Nothing heavy is imported here."""

from __future__ import annotations

from mlcore import hookimpl


@hookimpl
def mlcore_transports() -> dict[str, str]:
    """Offer the REST transport."""
    return {"rest": "transport_rest.transport:RestTransport"}
