"""The frames of HTTP/2 that this server writes, as bytes."""

from __future__ import annotations

from struct import Struct

DATA = 0x0
HEADERS = 0x1
RST_STREAM = 0x3
SETTINGS = 0x4
PUSH_PROMISE = 0x5
PING = 0x6
GOAWAY = 0x7
WINDOW_UPDATE = 0x8
CONTINUATION = 0x9

END_STREAM = 0x1
ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY = 0x20

HEAD = Struct(">HBBBL")
"""A frame's first nine bytes: its length in two parts, its type, its flags, its stream."""

HEAD_BYTES = 9
LARGEST_STREAM_ID = 2**31 - 1

_TWO_NUMBERS = Struct(">LL")


def frame_head(length: int, kind: int, flags: int, stream_id: int) -> bytes:
    """Return a frame's first nine bytes."""
    return HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream_id)


def headers_frame(stream_id: int, block: bytes, ends_stream: bool) -> bytes:
    """Return a HEADERS frame with a whole block."""
    flags = END_HEADERS | END_STREAM if ends_stream else END_HEADERS
    return HEAD.pack(len(block) >> 8, len(block) & 0xFF, HEADERS, flags, stream_id) + block


def rst_stream_frame(stream_id: int, error_code: int) -> bytes:
    """Return a RST_STREAM frame."""
    return HEAD.pack(0, 4, RST_STREAM, 0, stream_id) + error_code.to_bytes(4, "big")


def window_update_frame(stream_id: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame."""
    return HEAD.pack(0, 4, WINDOW_UPDATE, 0, stream_id) + increment.to_bytes(4, "big")


def ping_frame(data: bytes) -> bytes:
    """Return a PING frame."""
    return HEAD.pack(0, 8, PING, 0, 0) + data


def goaway_frame(last_stream_id: int, error_code: int, reason: bytes = b"") -> bytes:
    """Return a GOAWAY frame; the reason is for whoever debugs the client."""
    return frame_head(8 + len(reason), GOAWAY, 0, 0) + _TWO_NUMBERS.pack(last_stream_id, error_code) + reason
