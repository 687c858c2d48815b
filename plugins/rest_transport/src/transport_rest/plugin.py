"""The hooks of transport-rest. Nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore import hookimpl

if TYPE_CHECKING:
    from mlcore import MLModel
    from mlcore.handlers import CustomHandler, HandlerApp


@hookimpl
def mlcore_transports() -> dict[str, str]:
    """Offer the REST transport."""
    return {"rest": "transport_rest.transport:RestTransport"}


@hookimpl
def mlcore_handlers(model: MLModel, handlers: list[CustomHandler]) -> HandlerApp:
    """Make the app of a model's custom handlers."""
    from transport_rest.handler_app import handler_app

    return handler_app(model, handlers)
