"""The headers of a request: checked, and taken apart."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING

from grpclib.const import Status
from mlcore.request_id import request_id_of

if TYPE_CHECKING:
    from transport_grpc.header_block import Header

# What RFC 9113 allows in names, and nothing else that a server behind this one might read differently.
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_NOT_IN_VALUES = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$")
_NOT_ASCII = re.compile(rb"[^ -~\t]")
_PSEUDO = (b":method", b":scheme", b":path", b":authority")
_OF_CONNECTIONS = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})

# What says how a call travels, hence is not the client's metadata.
_OF_CALLS = frozenset({b"content-type", b"te"})

_CONTENT_TYPE = re.compile(rb"application/grpc(\+proto)? *(;.*)?")
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNIT_S = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}

_SHOWN = 64


class Refusal:
    """Why a request is answered at once.

    Attributes:
        status: gRPC's status.
        message: What its client is told.
        http_status: The status of HTTP, for clients that do not speak gRPC.
        headers: Headers that belong to it.
    """

    __slots__ = ("headers", "http_status", "message", "status")

    def __init__(self, status: Status, message: str, http_status: int = 200, headers: list[Header] | None = None):
        self.status = status
        self.message = message
        self.http_status = http_status
        self.headers = headers or []


class RequestHead:
    """What the headers of a request say. It is shared by all requests whose headers are the same bytes.

    Attributes:
        is_malformed: Whether it is no request in HTTP/2 at all, and nothing else is known of it.
        path: The method that is called, as `/package.Service/Method`.
        timeout_s: Seconds that the client waits.
        encoding: How the client's messages are compressed, if they are.
        metadata: The client's metadata, names in lower case.
        request_id: The id that the client gives it there.
        refusal: Why it is answered at once, if it is.
    """

    __slots__ = ("encoding", "is_malformed", "metadata", "path", "refusal", "request_id", "timeout_s")

    def __init__(self, headers: list[Header], largest: int) -> None:
        self.path = b""
        self.timeout_s: float | None = None
        self.encoding: bytes | None = None
        self.metadata: list[Header] = []
        self.request_id: str | None = None
        self.refusal: Refusal | None = None
        fields = _well_formed(headers)
        self.is_malformed = fields is None
        if fields is None:
            return
        self.path = fields[b":path"]
        self.encoding = fields.get(b"grpc-encoding")
        self.refusal = _not_grpc(fields) or _too_large(headers, largest) or self._read(headers)

    def _read(self, headers: list[Header]) -> Refusal | None:
        for name, value in headers:
            if name[:1] == b":" or name in _OF_CALLS:
                continue
            if name == b"grpc-timeout":
                match = _TIMEOUT.fullmatch(value)
                if match is None:
                    return _wrong("grpc-timeout", "at most 8 digits and one of H, M, S, m, u and n", value)
                self.timeout_s = int(match[1]) * _UNIT_S[match[2]]
            elif _NOT_ASCII.search(value):
                return _wrong(shown(name), "ASCII; a name that ends in -bin takes any bytes, as base64", value)
            elif name[-4:] == b"-bin" and not _is_base64(value):
                return _wrong(shown(name), "base64, for its name ends in -bin", value)
            elif name == b"x-request-id":
                self.request_id = request_id_of(value)
            if name[:5] != b"grpc-":
                self.metadata.append((name, value))
        return None


def _well_formed(headers: list[Header]) -> dict[bytes, bytes] | None:
    """Return the headers as a dictionary, or `None` where RFC 9113 says that they are malformed."""
    fields: dict[bytes, bytes] = {}
    is_regular = False
    for name, value in headers:
        if name[:1] == b":":
            if is_regular or name not in _PSEUDO or name in fields:
                return None
        else:
            is_regular = True
            if name in _OF_CONNECTIONS or not _NAME.fullmatch(name) or (name == b"te" and value != b"trailers"):
                return None
        if _NOT_IN_VALUES.search(value):
            return None
        fields[name] = value
    if b":method" not in fields or b":scheme" not in fields or fields.get(b":path", b"")[:1] != b"/":
        return None
    return fields


def _not_grpc(fields: dict[bytes, bytes]) -> Refusal | None:
    method = fields[b":method"]
    if method != b"POST":
        return Refusal(Status.UNIMPLEMENTED, f"gRPC calls are POST, not {shown(method)}", 405, [(b"allow", b"POST")])
    content_type = fields.get(b"content-type", b"")
    if not _CONTENT_TYPE.fullmatch(content_type):
        what = shown(content_type) or "nothing"
        return Refusal(Status.INVALID_ARGUMENT, f"content-type: expected application/grpc, got {what}", 415)
    if b"te" not in fields:
        return Refusal(Status.INVALID_ARGUMENT, "te: expected trailers, got nothing; does a proxy leave it out?", 400)
    return None


def _too_large(headers: list[Header], largest: int) -> Refusal | None:
    if sum(len(name) + len(value) + 32 for name, value in headers) <= largest:
        return None
    return Refusal(
        Status.RESOURCE_EXHAUSTED, f"the metadata is larger than {largest} bytes, the setting grpc_max_metadata_bytes"
    )


def _wrong(name: str, expected: str, got: bytes) -> Refusal:
    return Refusal(Status.INVALID_ARGUMENT, f"{name}: expected {expected}, got '{shown(got)}'")


def _is_base64(value: bytes) -> bool:
    try:
        for part in value.split(b","):  # several values may share a line
            b64decode(part.strip() + b"=" * (-len(part.strip()) % 4), validate=True)
    except ValueError:
        return False
    return True


def shown(text: bytes) -> str:
    """Return what a client sent as one short line."""
    return text[:_SHOWN].decode("ascii", "backslashreplace")
