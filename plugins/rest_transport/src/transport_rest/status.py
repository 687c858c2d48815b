"""The one table from error codes to HTTP statuses, and the body that every error has."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING

import msgspec
from mlcore.logs import get_logger

if TYPE_CHECKING:
    from mlcore.errors import MLCoreError

    from transport_rest.asgi import Send

STATUSES = {
    "invalid_argument": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "failed_precondition": 409,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "cancelled": 499,
    "internal": 500,
    "overloaded": 503,
    "unavailable": 503,
    "deadline_exceeded": 504,
}

log = get_logger("mlcore.rest")


def status_of(error: MLCoreError) -> int:
    """Return the HTTP status of an error: its own, where it has one, else that of its code."""
    own = error.status_code
    return own if own is not None and 400 <= own <= 599 else STATUSES[error.code]


def error_body(message: str) -> bytes:
    """Return the body of an error."""
    return msgspec.json.encode({"error": message})


def error_headers(error: MLCoreError) -> dict[str, str]:
    """Return the headers that belong to an error."""
    return {} if error.retry_after_s is None else {"Retry-After": str(math.ceil(error.retry_after_s))}


def unexpected(error: Exception, path: str) -> bytes:
    """Log an error that nobody foresaw, and return the body that tells the client no more than its id."""
    error_id = secrets.token_hex(6)
    log.error("request failed", path=path, error_id=error_id, exc_info=error)
    return error_body(f"the server failed on this request; its log has the details under error id {error_id}")


async def send_error(send: Send, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    """Send an error as a whole response."""
    lines = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    lines += [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
