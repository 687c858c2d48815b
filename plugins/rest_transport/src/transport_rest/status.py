"""The one table from error codes to HTTP statuses, and the one form that every error has."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from typing import TYPE_CHECKING

import msgspec
from mlcore.errors import MLCoreError
from mlcore.logs import get_logger
from mlcore.request_id import request_id_of

from transport_rest.body import UnreadBodyError

if TYPE_CHECKING:
    from transport_rest.asgi import Receive, Scope, Send

STATUSES = {
    "invalid_argument": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "failed_precondition": 409,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "too_many_requests": 429,
    "cancelled": 499,
    "internal": 500,
    "overloaded": 503,
    "unavailable": 503,
    "deadline_exceeded": 504,
}

CLIENT_GONE = 499
"""What telemetry says of a request whose client did not wait for the answer."""

# A client that is cut off while it sends may lose the answer, so what it sends is read on, and dropped, for so long.
_LINGER_S = 2.0

log = get_logger("mlcore.rest")


def status_of(error: MLCoreError) -> int:
    """Return the HTTP status of an error: its own, where it has one, else that of its code."""
    own = error.status_code
    return int(own) if isinstance(own, int) and 400 <= own <= 599 else STATUSES[error.code]


def error_body(message: str) -> bytes:
    """Return the body of an error."""
    # A model's text may hold halves of surrogate pairs, which have no UTF-8.
    return msgspec.json.encode({"error": message.encode("utf-8", "replace").decode()})


def error_headers(error: MLCoreError) -> dict[str, str]:
    """Return the headers that belong to an error: with 503 always, when to come again."""
    after_s = error.retry_after_s
    if after_s is None and status_of(error) == 503:
        after_s = 1
    return {} if after_s is None else {"Retry-After": str(max(0, math.ceil(after_s)))}


def unexpected(error: Exception, scope: Scope) -> bytes:
    """Log an error that nobody foresaw, and return the body that tells the client no more than its id."""
    error_id = secrets.token_hex(6)
    request_id = request_id_of(dict(scope["headers"]).get(b"x-request-id"))
    own = {} if request_id is None else {"request_id": request_id}
    log.error(
        "request failed", method=scope["method"], path=shown_path(scope), error_id=error_id, **own, exc_info=error
    )
    return error_body(f"the server failed on this request; its log has the details under error id {error_id}")


def shown_path(scope: Scope) -> str:
    """Return the path as the client wrote it, which is one line whatever it stands for."""
    raw: bytes = scope["raw_path"]
    return raw[:256].decode("ascii", "replace")


async def send_error(send: Send, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    """Send an error as a whole response."""
    await send({"type": "http.response.start", "status": status, "headers": _lines(body, headers or {})})
    await send({"type": "http.response.body", "body": body})


async def send_failure(
    error: Exception, scope: Scope, receive: Receive, send: Send, headers: dict[str, str] | None = None
) -> None:
    """Send what a client is told of an exception, with more headers that belong to it."""
    if isinstance(error, UnreadBodyError):
        await send_refusal(error, scope, receive, send)
    else:
        status, body, own = _told(error, scope)
        await send_error(send, status, body, {**own, **(headers or {})})


async def send_refusal(
    error: Exception, scope: Scope, receive: Receive, send: Send, headers: dict[str, str] | None = None
) -> None:
    """Do the same where the body is not read: then close, but give the client time to stop sending, and to read."""
    status, body, own = _told(error, scope)
    lines = _lines(body, {**own, **(headers or {}), "Connection": "close"})
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while (await receive()).get("more_body"):
                pass
    await send({"type": "http.response.body", "body": b""})


def _told(error: Exception, scope: Scope) -> tuple[int, bytes, dict[str, str]]:
    if isinstance(error, MLCoreError):
        return status_of(error), error_body(str(error)), error_headers(error)
    return 500, unexpected(error, scope), {}


def _lines(body: bytes, headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    lines = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return lines + [(name.lower().encode(), value.encode()) for name, value in headers.items()]
