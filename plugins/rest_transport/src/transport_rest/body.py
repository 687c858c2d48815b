"""Reads a request's body: within its limit, unpacked, and aligned where binary tensors follow a JSON head."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from mlcore.errors import InferenceError, PayloadTooLargeError, RequestCancelledError, UnsupportedMediaTypeError

if TYPE_CHECKING:
    from mlcore_protocol import Buffer

    from transport_rest.asgi import Receive

# Arrays are views of the body; every datatype is aligned if its first byte is a multiple of this.
_ALIGNMENT = 16

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS

# Up to this many packed bytes, which are a few milliseconds of work at worst, the event loop unpacks itself.
_SHORT = 8 * 1024
_SLICE = 64 * 1024


class UnreadBodyError(PayloadTooLargeError):
    """The body is over its limit, and the client is still sending it."""


async def read_body(
    receive: Receive, headers: dict[bytes, bytes], limit: int, head_length: int | None = None
) -> Buffer:
    """Return the whole body.

    Args:
        receive: ASGI's.
        headers: The request's headers.
        limit: The most bytes that the body may have, also after decompression.
        head_length: Bytes of the JSON head; what follows it is then aligned in memory, and writable.

    Raises:
        PayloadTooLargeError: The body is over the limit; no more than the limit was kept.
        UnsupportedMediaTypeError: It is compressed in a way that is not known.
        InferenceError: It is not what its compression says.
        RequestCancelledError: The client went away.
    """
    announced = headers.get(b"content-length")
    if announced is not None and int(announced) > limit:
        raise UnreadBodyError(_too_large(limit))
    encoding = _encoding(headers)
    padding = 0 if head_length is None else -head_length % _ALIGNMENT
    message = await receive()
    body: Buffer = message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise _gone()
    if message.get("more_body"):
        body = await _gathered(receive, body, limit, padding if encoding is None else 0)
    elif len(body) > limit:
        raise PayloadTooLargeError(_too_large(limit))
    elif head_length is not None and encoding is None:
        body = bytearray(padding) + body
    if encoding is not None:
        if len(body) <= _SHORT:
            body = _unpacked(body, encoding, limit, padding)
        else:
            body = await asyncio.to_thread(_unpacked, body, encoding, limit, padding)
    return body if head_length is None else memoryview(body)[padding:]


def _encoding(headers: dict[bytes, bytes]) -> bytes | None:
    encoding = headers.get(b"content-encoding")
    if encoding is None:
        return None
    encoding = encoding.strip().lower()
    return None if encoding in (b"", b"identity") else encoding


async def _gathered(receive: Receive, first: Buffer, limit: int, padding: int) -> bytearray:
    """Return a body that comes in pieces, behind some bytes of padding."""
    body = bytearray(padding)
    body += first
    while True:
        if len(body) - padding > limit:
            raise UnreadBodyError(_too_large(limit))
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _gone()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if len(body) - padding > limit:
        raise PayloadTooLargeError(_too_large(limit))
    return body


def _unpacked(body: Buffer, encoding: bytes, limit: int, padding: int) -> bytearray:
    """Return what was packed, behind some bytes of padding."""
    unpacker = zlib.decompressobj(_window_bits(body, encoding))
    unpacked = bytearray(padding)
    packed = memoryview(body)
    for start in range(0, len(packed), _SLICE):
        try:
            unpacked += unpacker.decompress(packed[start : start + _SLICE], limit + 1 + padding - len(unpacked))
        except zlib.error as error:
            raise InferenceError(f"the body is not what Content-Encoding says: {error}") from None
        if len(unpacked) - padding > limit:
            raise PayloadTooLargeError(_too_large(limit))
        if unpacker.unused_data:
            break
    if not unpacker.eof or unpacker.unused_data:
        raise InferenceError("the body is not what Content-Encoding says: it is cut off, or something follows it")
    return unpacked


def _window_bits(body: Buffer, encoding: bytes) -> int:
    if encoding in (b"gzip", b"x-gzip"):
        return _GZIP
    if encoding != b"deflate":
        shown = encoding[:64].decode("latin-1")
        raise UnsupportedMediaTypeError(f"Content-Encoding: expected gzip or deflate, got {shown!r}")
    # "deflate" stands for the zlib format; some clients leave zlib's two bytes of header out.
    has_header = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return _ZLIB if has_header else _RAW


def _too_large(limit: int) -> str:
    return f"the body is larger than {limit} bytes, the setting max_body_bytes"


def _gone() -> RequestCancelledError:
    return RequestCancelledError("the client went away before its request was complete")
