"""Parameters: maps of `InferParameter`, to Python values and back.

A text, a whole number, a fraction and a boolean each have a kind of their own. What else a model answers, lists and
objects, goes out as a text that is its JSON; what is `None` is left out.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from mlcore_protocol.errors import InferenceError, InternalError
from mlcore_protocol.protobuf_messages import MAP_ENTRY, PARAMETER
from mlcore_protocol.protobuf_wire import LENGTH, read_fields, read_text, signed, varint, with_length

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlcore_protocol.wire_format import Buffer

Slice = tuple[int, int]
"""Where the bytes of a field begin and end."""

_KEY, _VALUE = 1 << 3 | LENGTH, 2 << 3 | LENGTH

_MOST = 16  # fields of an entry, and of a value: one would do

_double = struct.Struct("<d")


def read_parameters(data: Buffer, entries: list[Slice], where: str, longest: int) -> dict[str, Any]:
    """Read the entries of a map; of two with the same key the later one counts, as in every map of protobuf.

    Args:
        data: What they are parts of.
        entries: Where they lie.
        where: The path of the map, for errors.
        longest: The most characters of a text.

    Raises:
        InferenceError: One of them is malformed.
    """
    parameters: dict[str, Any] = {}
    for begin, stop in entries:
        key = ""
        values: list[Slice] = []
        for tag, start, end in read_fields(data, begin, stop, MAP_ENTRY, where, _MOST):
            if tag == _KEY:
                key = read_text(data, start, end, longest, where, "key")
            else:
                values.append((start, end))
        parameters[key] = _read_value(data, values, f"{where}.{key[:64]}", longest)
    return parameters


def _read_value(data: Buffer, parts: list[Slice], where: str, longest: int) -> Any:
    value: Any = None
    for begin, stop in parts:
        for tag, start, end in read_fields(data, begin, stop, PARAMETER, where, _MOST):
            number = tag >> 3
            if number == 3:
                value = read_text(data, start, end, longest, where, "string_param")
            elif number == 4:
                value = _double.unpack_from(data, start)[0]
            elif number == 2:
                value = signed(start)
            elif number == 5:
                value = start
            elif start > 1:
                raise InferenceError(f"{where}.bool_param: expected 0 or 1, got {start}")
            else:
                value = bool(start)
    return value


def write_parameters(number: int, parameters: Mapping[str, Any]) -> bytes:
    """Return the entries of a map that is the field of this number.

    Raises:
        InternalError: A value has no form in protobuf.
    """
    pieces = []
    for name, value in parameters.items():
        if value is not None:
            entry = with_length(1, str(name).encode()) + with_length(2, _write_value(name, value))
            pieces.append(with_length(number, entry))
    return b"".join(pieces)


def _write_value(name: str, value: Any) -> bytes:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return with_length(3, value.encode())
    if isinstance(value, bool):
        return b"\x08\x01" if value else b"\x08\x00"
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return b"\x10" + varint(value)
        if 0 < value < 2**64:
            return b"\x28" + varint(value)
        raise InternalError(f"the model's response has no protobuf form: {name!r} has more than 64 bits")
    if isinstance(value, float):
        return b"\x21" + _double.pack(value)
    try:
        text = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise InternalError(f"the model's response has no protobuf form: {name!r}: {error}") from error
    # A moment, say, is a text by itself.
    return with_length(3, orjson.loads(text).encode() if text.startswith(b'"') else text)
