"""The one table from error codes to gRPC statuses, and what a client is told of an error."""

from __future__ import annotations

import math
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.metadata import encode_grpc_message
from mlcore.errors import MLCoreError
from mlcore.logs import get_logger

from transport_grpc.header_block import STATUS_200, Header, encode

if TYPE_CHECKING:
    from transport_grpc.request_head import Refusal

STATUSES = {
    "invalid_argument": Status.INVALID_ARGUMENT,
    "unauthenticated": Status.UNAUTHENTICATED,
    "permission_denied": Status.PERMISSION_DENIED,
    "not_found": Status.NOT_FOUND,
    "failed_precondition": Status.FAILED_PRECONDITION,
    "payload_too_large": Status.RESOURCE_EXHAUSTED,
    "unsupported_media_type": Status.UNIMPLEMENTED,
    "too_many_requests": Status.RESOURCE_EXHAUSTED,
    "cancelled": Status.CANCELLED,
    "internal": Status.INTERNAL,
    "overloaded": Status.UNAVAILABLE,
    "unavailable": Status.UNAVAILABLE,
    "deadline_exceeded": Status.DEADLINE_EXCEEDED,
}

# What a runtime means that raises an HTTP status of its own; other 4xx are the client's fault, other 5xx are not.
_OF_HTTP = {
    401: Status.UNAUTHENTICATED,
    403: Status.PERMISSION_DENIED,
    404: Status.NOT_FOUND,
    408: Status.DEADLINE_EXCEEDED,
    409: Status.FAILED_PRECONDITION,
    412: Status.FAILED_PRECONDITION,
    413: Status.RESOURCE_EXHAUSTED,
    415: Status.UNIMPLEMENTED,
    416: Status.OUT_OF_RANGE,
    422: Status.FAILED_PRECONDITION,
    429: Status.RESOURCE_EXHAUSTED,
    499: Status.CANCELLED,
    501: Status.UNIMPLEMENTED,
    503: Status.UNAVAILABLE,
    504: Status.DEADLINE_EXCEEDED,
}

# Clients give up a call whose headers are larger than some 8 KB, and would then show neither status nor message.
_LONGEST_MESSAGE = 2048

CONTENT_TYPE = (b"content-type", b"application/grpc")
INITIAL = STATUS_200 + encode([CONTENT_TYPE])
"""The header block in front of most answers."""

OK_TRAILERS = encode([(b"grpc-status", b"0")])
"""The header block behind most answers."""

log = get_logger("mlcore.grpc")


def status_of(error: MLCoreError) -> Status:
    """Return the gRPC status of an error: that of its own HTTP status, where it has one, else that of its code."""
    own = error.status_code
    if isinstance(own, int) and 400 <= own <= 599:
        return _OF_HTTP.get(own, Status.INVALID_ARGUMENT if own < 500 else Status.INTERNAL)
    return STATUSES[error.code]


def failure(error: BaseException, method: str) -> GRPCError:
    """Return what a client is told of an exception. One that nobody foresaw is logged, and told by an id."""
    if isinstance(error, GRPCError):
        return error
    if isinstance(error, MLCoreError):
        return GRPCError(status_of(error), str(error))
    error_id = secrets.token_hex(6)
    log.error("call failed", method=method, error_id=error_id, exc_info=error)
    text = f"the server failed on this request; its log has the details under error id {error_id}"
    return GRPCError(Status.INTERNAL, text)


def retry_headers(error: BaseException) -> list[Header]:
    """Return the metadata that says when to come again, as gRPC's retries read it."""
    after_s = error.retry_after_s if isinstance(error, MLCoreError) else None
    return [] if after_s is None else [(b"grpc-retry-pushback-ms", b"%d" % max(0, math.ceil(after_s * 1000)))]


@lru_cache(256)
def trailers(status: Status, message: str | None) -> bytes:
    """Return the header block that says how a call ended."""
    return encode([(b"grpc-status", b"%d" % status.value), *_message(message)])


def refusal_block(refusal: Refusal) -> bytes:
    """Return the one header block of a call that is refused."""
    start = STATUS_200 if refusal.http_status == 200 else encode([(b":status", b"%d" % refusal.http_status)])
    return start + encode([CONTENT_TYPE, *refusal.headers]) + trailers(refusal.status, refusal.message)


def _message(text: str | None) -> list[Header]:
    if not text:
        return []
    # A model's text may hold halves of surrogate pairs, which have no UTF-8.
    encoded = encode_grpc_message(text.encode("utf-8", "replace").decode()).encode("ascii")
    if len(encoded) > _LONGEST_MESSAGE:
        kept = encoded[:_LONGEST_MESSAGE]
        cut = kept.rfind(b"%", -2)
        encoded = (kept if cut < 0 else kept[:cut]) + b"..."
    return [(b"grpc-message", encoded)]
