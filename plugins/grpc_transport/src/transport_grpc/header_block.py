"""Header lists to bytes and back: HPACK, as a server of few and equal requests wants it.

Blocks are written without the dynamic table, so that equal ones are equal bytes, made once. Blocks that are read are
remembered as long as the client's dynamic table stays as it was: most clients send the same few bytes for each call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from h2.errors import ErrorCodes
from h2.exceptions import DenialOfServiceError, ProtocolError
from hpack import Decoder, HPACKError, OversizedHeaderListError
from hpack.hpack import encode_integer
from hpack.table import HeaderTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Header = tuple[bytes, bytes]
Parsed = TypeVar("Parsed")

STATUS_200 = b"\x88"
"""`:status: 200`, an entry of the static table."""

# What is remembered of one connection.
_MOST_BLOCKS = 64
_LONGEST_BLOCK = 1024


class CompressionError(ProtocolError):
    """A header block that cannot be read; the tables of both sides differ from here on."""

    error_code = ErrorCodes.COMPRESSION_ERROR


def encode(headers: Iterable[Header]) -> bytes:
    """Return a header block that holds nothing but literals, which both sides forget at once."""
    block = bytearray()
    for name, value in headers:
        block += b"\x00"
        for text in (name, value):
            if len(text) < 127:
                block.append(len(text))
            else:
                block += encode_integer(len(text), 7)
            block += text
    return bytes(block)


class HeaderReader(Generic[Parsed]):
    """Reads the header blocks of one connection.

    Args:
        largest: The most bytes of a header list, as HTTP/2 counts them, that are read at all.
        parse: Makes of a header list what is remembered.
    """

    def __init__(self, largest: int, parse: Callable[[list[Header]], Parsed]) -> None:
        self._decoder = Decoder(largest)
        self._decoder.header_table = self._table = _CountingTable()
        self._parse = parse
        self._known: dict[bytes, Parsed] = {}

    def read(self, block: bytes) -> Parsed:
        """Return what a block says. It has to be called for every block, also of requests that are refused.

        Raises:
            DenialOfServiceError: The list is too large.
            CompressionError: This is no header block.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        before = self._table.changes
        try:
            headers = self._decoder.decode(block, raw=True)
        except OversizedHeaderListError as error:
            raise DenialOfServiceError(f"the header list is too large: {error}") from error
        except (HPACKError, IndexError, UnicodeDecodeError) as error:
            raise CompressionError(f"the header block cannot be read: {error}") from error
        parsed = self._parse([(bytes(name), bytes(value)) for name, value in headers])
        if self._table.changes != before:
            self._known.clear()
        elif len(block) <= _LONGEST_BLOCK:
            if len(self._known) >= _MOST_BLOCKS:
                self._known.clear()
            self._known[block] = parsed
        return parsed


class _CountingTable(HeaderTable):
    """A dynamic table that says how often it was changed."""

    changes = 0

    def add(self, name: bytes, value: bytes) -> None:
        self.changes += 1
        super().add(name, value)

    @property
    def maxsize(self) -> int:
        return super().maxsize

    @maxsize.setter
    def maxsize(self, size: int) -> None:
        self.changes += 1
        HeaderTable.maxsize.__set__(self, size)  # type: ignore[attr-defined]  # how a property's setter is reached
