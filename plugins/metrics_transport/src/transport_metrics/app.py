"""The app: one path that shows the metrics, and errors for all others."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mlcore.logs import get_logger

from transport_metrics.exposition import OPEN_METRICS, TEXT, Exposition

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = get_logger("mlcore.metrics")


class MetricsApp:
    """Answers GET and HEAD on one path, as ASGI.

    Args:
        exposition: What it shows.
        path: Where.
    """

    def __init__(self, exposition: Exposition, path: str) -> None:
        self._exposition = exposition
        self._path = "/" + path.strip("/")

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Answer one request."""
        method = scope["method"]
        if "/" + scope["path"].strip("/") != self._path:
            await send_answer(send, method, 404, error_body(f"there is nothing here; the metrics are at {self._path}"))
        elif method not in ("GET", "HEAD"):
            await send_answer(
                send, method, 405, error_body(f"{self._path} takes GET, not {method[:16]}"), [(b"allow", b"GET, HEAD")]
            )
        else:
            await self._show(scope, send)

    async def _show(self, scope: Scope, send: Send) -> None:
        headers = dict(scope["headers"])
        media_type = OPEN_METRICS if b"application/openmetrics-text" in headers.get(b"accept", b"") else TEXT
        is_zipped = _takes_gzip(headers.get(b"accept-encoding", b""))
        try:
            body = await self._exposition.collected(media_type, is_zipped)
        except Exception:  # an observer of a plugin's may raise anything
            log.exception("the metrics could not be collected")
            await send_answer(
                send, scope["method"], 500, error_body("the metrics could not be collected; the log says why")
            )
            return
        lines = [(b"vary", b"accept, accept-encoding")]
        if is_zipped:
            lines.append((b"content-encoding", b"gzip"))
        await send_answer(send, scope["method"], 200, body, lines, media_type.encode())


def _takes_gzip(accepted: bytes) -> bool:
    for part in accepted.lower().split(b","):
        name, _, parameters = part.partition(b";")
        if name.strip() in (b"gzip", b"*"):
            return parameters.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False


def error_body(message: str) -> bytes:
    """Return the body of an error."""
    return json.dumps({"error": message}).encode()


async def send_answer(
    send: Send,
    method: str,
    status: int,
    body: bytes,
    lines: list[tuple[bytes, bytes]] | None = None,
    media_type: bytes = b"application/json",
) -> None:
    """Send a whole response."""
    headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(body)), *(lines or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
