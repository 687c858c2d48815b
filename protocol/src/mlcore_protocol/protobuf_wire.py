"""The wire of protobuf: varints, tags and fields, read strictly and written.

Strict where common readers are not: what is cut off, a group, a field of number 0, and a known field of another wire
type are errors that name the field. Unknown fields are skipped, so that newer clients are understood.

Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore_protocol.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlcore_protocol.wire_format import Buffer

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""The wire types: how many bytes follow a tag. Groups, 3 and 4, are of a time before the protocol."""

_NAMES = {
    VARINT: "a varint",
    FIXED64: "8 bytes",
    LENGTH: "a length",
    3: "a group",
    4: "the end of a group",
    FIXED32: "4 bytes",
}

_LONGEST_TAG = 5  # bytes: a tag has 32 bits


class MessageType:
    """The fields that a kind of message may have.

    Args:
        fields: By number, the name and the wire types. A list of numbers has two: packed, and one by one.
    """

    __slots__ = ("_fields", "tags")

    def __init__(self, fields: Mapping[int, tuple[str, tuple[int, ...]]]) -> None:
        self._fields = dict(fields)
        self.tags = frozenset(number << 3 | kind for number, (_, kinds) in fields.items() for kind in kinds)

    def path(self, where: str, tag: int) -> str:
        """Return where a field stands, for errors."""
        number = tag >> 3
        name = self._fields[number][0] if number in self._fields else f"field {number}"
        return f"{where}.{name}" if where else name

    def check(self, where: str, tag: int) -> None:
        """Refuse a tag that is none of `tags`, unless it is that of an unknown field.

        Raises:
            InferenceError: It has no field number, no wire type, or not the one of its field.
        """
        number, kind = tag >> 3, tag & 7
        if not number:
            raise InferenceError(f"{where or 'the message'}: expected a protobuf field, got one of number 0")
        if number in self._fields:
            kinds = " or ".join(_NAMES[kind] for kind in self._fields[number][1])
            raise InferenceError(
                f"{self.path(where, tag)}: expected {kinds}, got {_NAMES.get(kind, f'the wire type {kind}')}"
            )
        if kind not in (VARINT, FIXED64, LENGTH, FIXED32):
            raise InferenceError(
                f"{self.path(where, tag)}: expected a wire type of 0, 1, 2 or 5, got {kind}"
                + (": groups are not read" if kind in _NAMES else "")
            )


def read_fields(
    data: Buffer, position: int, end: int, message: MessageType, where: str, most: int
) -> Iterator[tuple[int, int, int]]:
    """Go through the known fields of a message.

    Args:
        data: What the message is a part of.
        position: Where it begins.
        end: Where it ends.
        message: What it may hold.
        where: Where it stands, for errors; nothing for the whole.
        most: The most fields that it may have, known or not: so no message holds up its reader.

    Yields:
        The tag, and where the field's bytes begin and end; for a varint its value, and where it ends.

    Raises:
        InferenceError: The message is malformed, or has more fields.
    """
    tags = message.tags
    for _ in range(most):
        if position == end:
            return
        tag = data[position]
        if tag < 128:
            position += 1
        else:
            start = position
            tag, position = read_varint(data, start, end, where or "the message")
            if position - start > _LONGEST_TAG or tag >> 32:
                raise InferenceError(f"{where or 'the message'}: a protobuf tag has more than 32 bits")
        known = tag in tags
        if not known:
            message.check(where, tag)
        kind = tag & 7
        if kind == LENGTH:
            if position < end and (length := data[position]) < 128:
                start = position + 1
            else:
                length, start = read_varint(data, position, end, message.path(where, tag))
            position = start + length
            if position > end:
                raise InferenceError(
                    f"{message.path(where, tag)}: expected {length} bytes, got {end - start}: the message is cut off"
                )
        elif kind == VARINT:
            if position < end and (start := data[position]) < 128:
                position += 1
            else:
                start, position = read_varint(data, position, end, message.path(where, tag))
        else:
            start = position
            position += 4 if kind == FIXED32 else 8
            if position > end:
                raise InferenceError(
                    f"{message.path(where, tag)}: expected {_NAMES[kind]}, got {end - start}: the message is cut off"
                )
        if known:
            yield tag, start, position
    if position != end:
        raise InferenceError(f"{where or 'the message'}: expected at most {most} protobuf fields, got more")


def read_varint(data: Buffer, position: int, end: int, field: str) -> tuple[int, int]:
    """Return the unsigned integer that begins at `position`, and where it ends.

    Raises:
        InferenceError: It does not end in time, or has more than 64 bits.
    """
    value = shift = 0
    for index in range(position, min(position + 10, end)):
        byte = data[index]
        value |= (byte & 127) << shift
        if byte < 128:
            if value >> 64:
                raise InferenceError(f"{field}: expected a varint of at most 64 bits, got {value.bit_length()}")
            return value, index + 1
        shift += 7
    if shift == 70:
        raise InferenceError(f"{field}: expected a varint of at most 10 bytes, got more")
    raise InferenceError(f"{field}: expected a varint, got {end - position} bytes of one: the message is cut off")


def read_text(data: Buffer, start: int, end: int, longest: int, where: str, name: str) -> str:
    """Return the text of some bytes.

    Args:
        data: What the text is a part of.
        start: Where it begins.
        end: Where it ends.
        longest: The most characters that are of use.
        where: The message that it is of, for errors; nothing for the whole.
        name: The field that it is, for errors.

    Raises:
        InferenceError: It is not UTF-8, or longer than any text of so many characters can be.
    """
    try:
        if end - start <= 4 * longest:  # before it costs anything
            return str(data[start:end], "utf-8")
        wrong = f"at most {longest} characters, got {end - start} bytes"
    except UnicodeDecodeError as error:
        wrong = f"text in UTF-8, got something else ({error.reason})"
    raise InferenceError(f"{where}.{name}: expected {wrong}" if where else f"{name}: expected {wrong}")


def signed(value: int) -> int:
    """Return the int64 that a varint of this value stands for."""
    return value - (1 << 64) if value >> 63 else value


def varint(value: int) -> bytes:
    """Return an integer of up to 64 bits as a varint; a negative one takes ten bytes."""
    if 0 <= value < 128:
        return _SHORT[value]
    value &= (1 << 64) - 1
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


def with_length(number: int, content: bytes) -> bytes:
    """Return a field of text, bytes or a message."""
    return b"%c%b%b" % (number << 3 | LENGTH, varint(len(content)), content)


_SHORT = [bytes([value]) for value in range(128)]
