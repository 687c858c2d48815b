"""The line of each request in the access log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlcore.request_id import request_id_of

from transport_rest.infer_route import target_of
from transport_rest.status import CLIENT_GONE, shown_path

if TYPE_CHECKING:
    from mlcore.telemetry.access_log import AccessLog

    from transport_rest.asgi import App, Message, Receive, Scope, Send


def logged(app: App, access_log: AccessLog) -> App:
    """Let the requests of an app be in the access log."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        since = time.monotonic()
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
        is_server_error = status >= 500
        if access_log.wants(is_server_error):
            model, version = target_of(scope["raw_path"]) or (None, None)
            client = scope.get("client")
            access_log.write(
                scope["method"],
                shown_path(scope),
                status,
                since=since,
                request_bytes=received,
                response_bytes=sent,
                peer=client[0] if client else None,
                request_id=request_id_of(dict(scope["headers"]).get(b"x-request-id")),
                model=model,
                version=version,
                is_server_error=is_server_error,
            )

    return wrapped
