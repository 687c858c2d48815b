"""The span of each request that is traced.

Source: OpenTelemetry, semantic conventions for HTTP server spans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore.telemetry.tracing import carrier, fail

from transport_rest.event_stream import FAILURE
from transport_rest.infer_route import TRACE, target_of
from transport_rest.routes import infer_route_of, is_probe, method_of, route_of
from transport_rest.status import CLIENT_GONE, shown_path

if TYPE_CHECKING:
    from mlcore.telemetry.tracing import Tracing
    from opentelemetry.trace import Span

    from transport_rest.asgi import App, Message, Receive, Scope, Send


def traced(app: App, tracing: Tracing) -> App:
    """Let the requests of an app be traced, but for those of probes."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        context = None if is_probe(scope["raw_path"]) else tracing.context_of(scope["headers"])
        if context is None:
            await app(scope, receive, send)
            return
        status = CLIENT_GONE

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        name = _name(scope, infer_route_of(scope["raw_path"]))
        with tracing.server_span(name, context, _attributes(scope)) as span:
            scope[TRACE] = carrier()
            try:
                await app(scope, receive, noting)
            finally:
                _end(span, scope, status)

    return wrapped


def _end(span: Span, scope: Scope, status: int) -> None:
    """Note what is only known in the end."""
    route = route_of(scope)
    if route is not None:
        span.update_name(_name(scope, route))
        span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        fail(span, str(status))
    elif code := scope.get(FAILURE):
        fail(span, code)


def _name(scope: Scope, route: str | None) -> str:
    method = method_of(scope)
    name = "HTTP" if method == "_OTHER" else method
    return name if route is None else f"{name} {route}"


def _attributes(scope: Scope) -> dict[str, Any]:
    attributes = {
        "http.request.method": method_of(scope),
        "url.path": shown_path(scope),
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope["http_version"],
    }
    if server := scope.get("server"):
        attributes["server.address"], attributes["server.port"] = server
    if client := scope.get("client"):
        attributes["client.address"], attributes["client.port"] = client
    headers = dict(scope["headers"])
    if agent := headers.get(b"user-agent"):
        attributes["user_agent.original"] = agent[:256].decode("latin-1")
    if target := target_of(scope["raw_path"]):
        attributes["mlcore.model"] = target.model[:256]
        if target.version is not None:
            attributes["mlcore.version"] = target.version[:256]
    return attributes
