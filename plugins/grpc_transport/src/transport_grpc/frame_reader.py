"""Bytes to the frames of HTTP/2, as they come.

h2 waits for a whole frame, which may be 16 MB, and copies it four times. Here the pieces of a DATA frame pass on at
once, as views of what was read; every other frame is small, and is handed over whole. Unknown frames are dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from h2.exceptions import DenialOfServiceError, FrameTooLargeError, ProtocolError

from transport_grpc.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEAD,
    HEAD_BYTES,
    HEADERS,
    LARGEST_STREAM_ID,
    PADDED,
    PRIORITY,
    SETTINGS,
)

if TYPE_CHECKING:
    from transport_grpc.limits import Limits

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_CONTINUATIONS = 64


class FrameHandler(Protocol):
    """Who is given the frames."""

    def on_frame(self, kind: int, flags: int, stream_id: int, body: bytes) -> None:
        """Take a whole frame that has neither data nor headers."""

    def on_block(self, stream_id: int, block: bytes, ends: bool) -> None:
        """Take a whole header block."""

    def on_data_frame(self, stream_id: int, flow: int, length: int, ends: bool) -> None:
        """Begin with a DATA frame; its pieces follow, unless `length` is 0.

        Args:
            stream_id: Its stream.
            flow: Its bytes as flow control counts them: with padding.
            length: Its bytes without padding.
            ends: Whether it is the last of its stream.
        """

    def on_piece(self, piece: memoryview, is_last: bool) -> None:
        """Take a piece of the DATA frame that was begun last."""

    def on_unknown_frame(self) -> None:
        """Note a frame that is dropped."""


class FrameReader:
    """Takes the bytes of one connection apart.

    Args:
        limits: How large frames may be.
        handler: Who is given them.

    Attributes:
        is_begun: Whether the client has begun as RFC 9113 says.
    """

    def __init__(self, limits: Limits, handler: FrameHandler) -> None:
        self.is_begun = False
        self._limits = limits
        self._handler = handler
        self._preface = _PREFACE
        self._unread = b""
        # Bytes of a DATA frame, or of an unknown one, that are still to come.
        self._left = 0
        self._is_data = False
        # A header block that comes in several frames.
        self._block: list[bytes] = []
        self._block_of = 0
        self._block_ends = False

    def feed(self, data: bytes) -> None:
        """Take what was read.

        Raises:
            ProtocolError: The connection cannot go on; the error has the code to say so.
        """
        if self._unread:
            data = self._unread + data
            self._unread = b""
        view = memoryview(data)
        position = self._after_preface(data) if self._preface else 0
        end = len(data)
        while position < end:
            if self._left:
                taken = min(self._left, end - position)
                self._left -= taken
                if self._is_data:
                    self._handler.on_piece(view[position : position + taken], not self._left)
                position += taken
                continue
            if end - position < HEAD_BYTES:
                break
            high, low, kind, flags, stream_id = HEAD.unpack_from(data, position)
            length = high << 8 | low
            stream_id &= LARGEST_STREAM_ID
            self._check(length, kind, stream_id)
            if kind == DATA and not flags & PADDED:
                self._handler.on_data_frame(stream_id, length, length, bool(flags & END_STREAM))
                self._left = length
                self._is_data = True
                position += HEAD_BYTES
            elif kind > CONTINUATION:
                # RFC 9113 has unknown frames ignored; grpclib ends the connection.
                self._handler.on_unknown_frame()
                self._left = length
                self._is_data = False
                position += HEAD_BYTES
            elif end - position - HEAD_BYTES < length:
                break
            else:
                position += HEAD_BYTES
                self._whole(kind, flags, stream_id, data[position : position + length])
                position += length
        if position < end:
            self._unread = data[position:]

    def _after_preface(self, data: bytes) -> int:
        """Check the first bytes of the connection; return where its frames begin."""
        expected = self._preface[: len(data)]
        if data[: len(expected)] != expected:
            raise ProtocolError("this is not HTTP/2")
        self._preface = self._preface[len(expected) :]
        return len(expected)

    def _check(self, length: int, kind: int, stream_id: int) -> None:
        if self._block_of and (kind != CONTINUATION or stream_id != self._block_of):
            raise ProtocolError("a header block is interrupted")
        if length > self._limits.max_frame_bytes:
            raise FrameTooLargeError(f"a frame has {length} bytes")
        if kind in (HEADERS, CONTINUATION):
            if length > self._limits.max_header_block_bytes:
                raise DenialOfServiceError("the header block is too large")
        elif kind != DATA and kind <= CONTINUATION and length > self._limits.max_control_frame_bytes:
            raise FrameTooLargeError(f"a frame of type {kind} has {length} bytes")
        if not self.is_begun:
            if kind != SETTINGS:
                raise ProtocolError("a connection begins with SETTINGS")
            self.is_begun = True

    def _whole(self, kind: int, flags: int, stream_id: int, body: bytes) -> None:
        if kind == HEADERS:
            self._begin_block(flags, stream_id, body)
        elif kind == CONTINUATION:
            self._go_on_with_block(flags, body)
        elif kind == DATA:
            piece = _without_padding(memoryview(body), flags)
            self._handler.on_data_frame(stream_id, len(body), len(piece), bool(flags & END_STREAM))
            if piece:
                self._handler.on_piece(piece, is_last=True)
        else:
            self._handler.on_frame(kind, flags, stream_id, body)

    def _begin_block(self, flags: int, stream_id: int, body: bytes) -> None:
        view = _without_padding(memoryview(body), flags)
        if flags & PRIORITY:
            if len(view) < 5:
                raise ProtocolError("a HEADERS frame is too short")
            view = view[5:]
        if flags & END_HEADERS:
            self._handler.on_block(stream_id, bytes(view), bool(flags & END_STREAM))
        elif not stream_id:
            raise ProtocolError("HEADERS belongs to a stream")
        else:
            self._block_of = stream_id
            self._block_ends = bool(flags & END_STREAM)
            self._block = [bytes(view)]

    def _go_on_with_block(self, flags: int, body: bytes) -> None:
        if not self._block_of:
            raise ProtocolError("a CONTINUATION frame continues nothing")
        self._block.append(body)
        size = sum(map(len, self._block))
        if len(self._block) > _CONTINUATIONS or size > self._limits.max_header_block_bytes:
            raise DenialOfServiceError("the header block is too large")
        if flags & END_HEADERS:
            stream_id, self._block_of = self._block_of, 0
            block, self._block = b"".join(self._block), []
            self._handler.on_block(stream_id, block, self._block_ends)


def _without_padding(body: memoryview, flags: int) -> memoryview:
    if not flags & PADDED:
        return body
    if not body or body[0] >= len(body):
        raise ProtocolError("a frame is shorter than its padding")
    return body[1 : len(body) - body[0]]
