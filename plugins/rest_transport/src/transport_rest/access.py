"""The line of each request in the access log."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from mlcore.peek import id_of
from mlcore.request_id import request_id_of

from transport_rest.event_stream import FAILURE
from transport_rest.exchange import EXCHANGE
from transport_rest.handler_route import TARGET
from transport_rest.infer_route import CALL, REQUEST_ID, target_of
from transport_rest.status import shown_path

if TYPE_CHECKING:
    from mlcore.telemetry.access_log import AccessLog

    from transport_rest.asgi import App, Receive, Scope, Send
    from transport_rest.exchange import Exchange


def logged(app: App, access_log: AccessLog) -> App:
    """Let the requests of an app be in the access log: those that it chooses, and errors of the server."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        is_chosen = access_log.chooses()
        if is_chosen:  # a request that names no id gets one here, so that lines of its model have the same
            scope[REQUEST_ID] = _header_of(scope) or uuid4().hex
        await app(scope, receive, send)
        is_error = scope[EXCHANGE].status >= 500 or FAILURE in scope
        if is_chosen or (is_error and access_log.wants_error()):
            _write(access_log, scope, is_error)

    return wrapped


def _write(access_log: AccessLog, scope: Scope, is_error: bool) -> None:
    exchange: Exchange = scope[EXCHANGE]
    target = scope.get(TARGET) or target_of(scope["raw_path"])
    client = scope.get("client")
    access_log.write(
        scope["method"],
        shown_path(scope),
        exchange.status,
        since=exchange.since,
        request_bytes=exchange.received,
        response_bytes=exchange.sent,
        peer=client[0] if client else None,
        request_id=_id_of(scope),
        model=None if target is None else target.model,
        version=None if target is None else target.version,
        is_server_error=is_error,
    )


def _id_of(scope: Scope) -> str | None:
    """Return the id under which the model's log lines know a request: its own, or else one of the transport's."""
    call = scope.get(CALL)
    own = id_of(call) if call is not None else None
    return own or scope.get(REQUEST_ID) or _header_of(scope)


def _header_of(scope: Scope) -> str | None:
    return request_id_of(dict(scope["headers"]).get(b"x-request-id"))
