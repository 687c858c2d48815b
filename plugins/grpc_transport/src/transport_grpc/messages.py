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


class Message(NamedTuple):
    """One message as it came."""

    body: Buffer
    is_packed: bool


class MessageReader:
    """Puts the messages of one call together.

    Args:
        limit: The most bytes of a message. One that announces more is refused before any of them is kept.
    """

    __slots__ = ("_body", "_is_packed", "_length", "_limit", "_prefix", "setting")

    def __init__(self, limit: int, setting: str) -> None:
        self._limit = limit
        self.setting = setting
        self._prefix = b""
        self._is_packed = False
        self._length = -1
        self._body: bytearray | None = None

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
            if self._body is None:
                if len(piece) >= self._length:
                    # The usual case: a view of what was read, and no copy.
                    whole: Buffer = piece[: self._length]
                    piece = piece[self._length :]
                    self._length = -1
                    yield Message(whole, self._is_packed)
                    if piece:
                        continue
                    return
                # It grows as it comes: what is only announced takes no memory.
                self._body = bytearray()
            missing = self._length - len(self._body)
            self._body += piece[:missing]
            piece = piece[missing:]
            if len(self._body) < self._length:
                return
            body, self._body = self._body, None
            self._length = -1
            yield Message(body, self._is_packed)
            if not piece:
                return

    def _begin(self, flag: int, length: int) -> None:
        if flag > 1:
            raise GRPCError(Status.INTERNAL, f"a message has the compression flag {flag}; there are 0 and 1")
        if length > self._limit:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED,
                f"a message of {length} bytes is larger than {self._limit} bytes, {self.setting}",
            )
        self._is_packed = bool(flag)
        self._length = length
