"""Reads a request's body: within its limit, unpacked, and aligned where binary tensors follow a JSON head."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from mlcore.errors import InferenceError, PayloadTooLargeError, RequestCancelledError, UnsupportedMediaTypeError

if TYPE_CHECKING:
    from mlcore_protocol import Buffer

    from transport_rest.asgi import Receive

# Arrays are views of the body; every datatype is aligned if its first byte is a multiple of this.
_ALIGNMENT = 16

# gzip and zlib, which "deflate" stands for, both told by their header.
_WINDOW_BITS = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}


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
        PayloadTooLargeError: The body is over the limit; no more than the limit was read.
        UnsupportedMediaTypeError: It is compressed in a way that is not known.
        InferenceError: It is not what its compression says.
        RequestCancelledError: The client went away.
    """
    announced = headers.get(b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise RequestCancelledError("the client went away before its request was complete")
    body: Buffer = message.get("body", b"")
    if message.get("more_body"):
        body = await _rest_of_body(receive, body, limit)
    elif len(body) > limit:
        raise _too_large(limit)
    encoding = headers.get(b"content-encoding")
    if encoding is not None and encoding != b"identity":
        body = _unpacked(body, encoding.strip().lower(), limit)
    return body if head_length is None else _aligned(body, head_length)


async def _rest_of_body(receive: Receive, first: Buffer, limit: int) -> bytes:
    chunks = [first]
    size = len(first)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestCancelledError("the client went away before its request was complete")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def _unpacked(body: Buffer, encoding: bytes, limit: int) -> bytes:
    window = _WINDOW_BITS.get(encoding)
    if window is None:
        raise UnsupportedMediaTypeError(
            f"Content-Encoding: expected gzip or deflate, got {encoding[:64].decode('latin-1')!r}"
        )
    unpacker = zlib.decompressobj(window)
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise InferenceError(f"the body is not what Content-Encoding says: {error}") from None
    if len(unpacked) > limit:
        raise _too_large(limit)
    if not unpacker.eof or unpacker.unused_data:
        raise InferenceError("the body is not what Content-Encoding says: it is cut off, or something follows it")
    return unpacked


def _aligned(body: Buffer, head_length: int) -> memoryview:
    padding = -head_length % _ALIGNMENT
    buffer = bytearray(padding + len(body))
    buffer[padding:] = body
    return memoryview(buffer)[padding:]


def _too_large(limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"the body is larger than {limit} bytes, the setting max_body_bytes")
