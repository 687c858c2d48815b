"""gRPC's messages, each behind its length, out of the pieces that the frames of HTTP/2 bring."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from grpclib.const import Status
from grpclib.exceptions import GRPCError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore_protocol import Buffer

PREFIX = Struct(">BL")
"""What stands in front of each message: whether it is compressed, and its length."""

_PREFIX_BYTES = 5

# Pieces that are smaller are put together at once: each view that is kept costs some 200 bytes of its own.
_SMALL_PIECE = 4096
_GATHERED = 64 * 1024


class Message(NamedTuple):
    """One message as it came."""

    body: Buffer
    is_packed: bool


class MessageReader:
    """Puts the messages of one call together.

    Args:
        limit: The most bytes of a message. One that announces more is refused before any of them is kept.
        limit_name: What the limit is, for the error.
    """

    __slots__ = ("_is_packed", "_left", "_length", "_limit", "_limit_name", "_pieces", "_prefix")

    def __init__(self, limit: int, limit_name: str) -> None:
        self._limit = limit
        self._limit_name = limit_name
        self._prefix = b""
        self._is_packed = False
        self._length = -1
        self._left = 0
        self._pieces: list[Buffer] = []

    @property
    def is_between_messages(self) -> bool:
        """Whether a call may end here."""
        return not self._prefix and self._length < 0

    def feed(self, piece: memoryview) -> Iterator[Message]:
        """Take a piece, and return the messages that are whole now.

        Raises:
            GRPCError: One is larger than the limit, or its prefix is wrong.
        """
        while True:
            if self._length < 0:
                if not self._prefix and len(piece) >= _PREFIX_BYTES:
                    prefix: Buffer = piece
                    piece = piece[_PREFIX_BYTES:]
                else:
                    missing = _PREFIX_BYTES - len(self._prefix)
                    self._prefix += piece[:missing]
                    piece = piece[missing:]
                    if len(self._prefix) < _PREFIX_BYTES:
                        return
                    prefix, self._prefix = self._prefix, b""
                self._begin(*PREFIX.unpack_from(prefix))
            if not self._pieces and len(piece) >= self._left:
                # The usual case: a view of what was read, and no copy.
                body, piece = piece[: self._left], piece[self._left :]
                yield self._whole(body)
            elif not piece:
                return
            else:
                taken = piece[: self._left]
                piece = piece[len(taken) :]
                self._left -= len(taken)
                self._keep(taken)
                if self._left:
                    return
                pieces, self._pieces = self._pieces, []
                yield self._whole(b"".join(pieces))
            if not piece:
                return

    def _keep(self, piece: memoryview) -> None:
        """Keep a piece as it came; what is only announced takes no memory."""
        if len(piece) >= _SMALL_PIECE:
            self._pieces.append(piece)
        elif self._pieces and type(last := self._pieces[-1]) is bytearray and len(last) < _GATHERED:
            last += piece
        else:
            self._pieces.append(bytearray(piece))

    def _whole(self, body: Buffer) -> Message:
        self._length = -1
        return Message(body, self._is_packed)

    def _begin(self, flag: int, length: int) -> None:
        if flag > 1:
            raise GRPCError(Status.INTERNAL, f"a message has the compression flag {flag}; there are 0 and 1")
        if length > self._limit:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED,
                f"a message of {length} bytes is larger than {self._limit} bytes, {self._limit_name}",
            )
        self._is_packed = bool(flag)
        self._length = self._left = length
