"""The line of each request in the access log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import uuid4

from mlcore.peek import id_of
from mlcore.request_id import request_id_of

from transport_rest.event_stream import FAILURE
from transport_rest.handler_route import TARGET
from transport_rest.infer_route import CALL, REQUEST_ID, target_of
from transport_rest.status import CLIENT_GONE, shown_path

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from mlcore.telemetry.access_log import AccessLog

    from transport_rest.asgi import App, Message, Receive, Scope, Send


def logged(app: App, access_log: AccessLog) -> App:
    """Let the requests of an app be in the access log."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        since = time.monotonic()
        is_chosen = access_log.chooses()
        if is_chosen:  # a request that names no id gets one here, so that lines of its model have the same
            scope[REQUEST_ID] = _header_of(scope) or uuid4().hex
        status = CLIENT_GONE
        received = sent = 0

        async def receiving() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        await app(scope, receiving, sending)
        is_error = _is_server_error(scope, status)
        if is_chosen or is_error:
            _write(access_log, scope, status, since, received, sent, is_error)

    return wrapped


def errors_logged(app: App, access_log: AccessLog) -> App:
    """Let those requests be in the access log that end with an error of the server; the others cost almost nothing."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        since = time.monotonic()
        status = CLIENT_GONE
        sent = 0

        def sending(message: Message) -> Awaitable[None]:  # not a coroutine of its own, which would cost as much again
            nonlocal status, sent
            if "status" in message:
                status = message["status"]
            elif "body" in message:
                sent += len(message["body"])
            return send(message)

        await app(scope, receive, sending)
        if _is_server_error(scope, status) and access_log.wants_error():
            call = scope.get(CALL)
            _write(access_log, scope, status, since, len(call.body) if call is not None else 0, sent, True)

    return wrapped


def _is_server_error(scope: Scope, status: int) -> bool:
    return status >= 500 or FAILURE in scope


def _write(
    access_log: AccessLog, scope: Scope, status: int, since: float, received: int, sent: int, is_error: bool
) -> None:
    target = scope.get(TARGET) or target_of(scope["raw_path"])
    client = scope.get("client")
    access_log.write(
        scope["method"],
        shown_path(scope),
        status,
        since=since,
        request_bytes=received,
        response_bytes=sent,
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
