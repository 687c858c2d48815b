"""The hooks of transport-grpc. Nothing heavy is imported here."""

from __future__ import annotations

from mlcore import hookimpl


@hookimpl
def mlcore_transports() -> dict[str, str]:
    """Offer the gRPC transport."""
    return {"grpc": "transport_grpc.transport:GrpcTransport"}
