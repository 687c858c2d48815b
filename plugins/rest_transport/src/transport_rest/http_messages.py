"""HTTP requests to custom handlers, and their answers, as bytes: what the front and the place of the model exchange.

A head of plain data stands before the body, as `Call.head_length` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from mlcore_protocol import Buffer


class RequestHead(msgspec.Struct, array_like=True):
    """What an HTTP request says besides its headers, which a call has, and its body.

    Attributes:
        method: The method.
        path: The path of the handler, decoded.
        query: The query, as the client wrote it.
        scheme: `http` or `https`.
        http_version: The version of HTTP.
        client: The client's address.
        server: The server's.
    """

    method: str
    path: str
    query: bytes
    scheme: str
    http_version: str
    client: tuple[str, int] | None
    server: tuple[str, int | None] | None


class ResponseHead(msgspec.Struct, array_like=True):
    """What an HTTP response says besides its body.

    Attributes:
        status: The status.
        headers: The headers.
        is_whole: Whether the body that follows is all of it; more pieces come otherwise.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    is_whole: bool


_encode = msgspec.msgpack.Encoder().encode
_request = msgspec.msgpack.Decoder(RequestHead).decode
_response = msgspec.msgpack.Decoder(ResponseHead).decode


def packed(head: RequestHead | ResponseHead) -> bytes:
    """Return a head as bytes."""
    return _encode(head)


def request_of(body: Buffer, head_length: int) -> tuple[RequestHead, bytes]:
    """Return the head and the body of a request."""
    whole = memoryview(body)
    return _request(whole[:head_length]), bytes(whole[head_length:])


def response_of(body: Buffer, head_length: int) -> tuple[ResponseHead, memoryview]:
    """Return the head and the first piece of the body of an answer."""
    whole = memoryview(body)
    return _response(whole[:head_length]), whole[head_length:]
