"""The typed contents of one tensor: `InferTensorContents`, to numpy and back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcore_protocol.binary_tensor import array_of, elements_of_bytes, read_binary
from mlcore_protocol.datatypes import NUMPY_DTYPES, Datatype
from mlcore_protocol.errors import InferenceError
from mlcore_protocol.protobuf_messages import CONTENTS, CONTENTS_FIELDS, CONTENTS_OF, STRANGERS
from mlcore_protocol.protobuf_varints import count_varints, read_varints, write_varints
from mlcore_protocol.protobuf_wire import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    read_fields,
    read_varint,
    varint,
    with_length,
)

if TYPE_CHECKING:
    from mlcore_protocol.messages import Tensor
    from mlcore_protocol.wire_format import Buffer

_BYTES = Datatype.BYTES

_BYTES_CONTENTS = CONTENTS_OF[_BYTES]

_BYTES_TAG = _BYTES_CONTENTS << 3 | LENGTH

_FIXED = (Datatype.FP32, Datatype.FP64)

# Up to this many bytes a loop is faster.
_SHORT = 64

# Elements of a message that has them in several forms: one by one and packed, or among unknown fields.
_MIXED = 4096


def read_contents(
    parts: list[memoryview], datatype: Datatype, shape: list[int], count: int, field: str, longest: int
) -> Any:
    """Read the elements: an array that is a view wherever the encoding allows, a list for BYTES.

    Args:
        parts: The message, which may come in several parts.
        datatype: What the elements are.
        shape: The tensor's shape, already checked.
        count: The product of `shape`.
        field: Where the tensor stands in the request, for the error.
        longest: The most bytes that one BYTES element may have.

    Raises:
        InferenceError: The message is malformed, uses another field than the datatype's, or has another number of
            elements than the shape.
    """
    number = CONTENTS_OF.get(datatype, _BYTES_CONTENTS)
    where = f"{field}.contents"
    if number == _BYTES_CONTENTS:
        elements = _read_elements(parts, datatype, count, where)
        if datatype is not _BYTES:  # FP16 has no field of its own, and there are clients that use this one
            return read_binary(memoryview(b"".join(elements)), datatype, shape, count, field, longest)
        if len(elements) != count:
            raise _wrong_count(where, number, shape, count, len(elements))
        for index, element in enumerate(elements if sum(map(len, parts)) > longest else ()):
            if len(element) > longest:
                raise InferenceError(
                    f"{_name(where, number)}[{index}]: expected at most {longest} bytes, got {len(element)}"
                )
        return elements
    payload = _read_payload(parts, number, datatype, count, where)
    dtype = NUMPY_DTYPES[datatype]
    if datatype in _FIXED:
        if len(payload) % dtype.itemsize:
            raise InferenceError(
                f"{_name(where, number)}: expected {dtype.itemsize} bytes for each element, got {len(payload)} in all"
            )
        if len(payload) != count * dtype.itemsize:
            raise _wrong_count(where, number, shape, count, len(payload) // dtype.itemsize)
        return read_binary(payload, datatype, shape, count, field, longest)
    if (found := count_varints(payload)) != count:  # before anything is as large as they would be
        raise _wrong_count(where, number, shape, count, found)
    return read_varints(payload, dtype, datatype, _name(where, number)).reshape(shape)


def _read_elements(parts: list[memoryview], datatype: Datatype, count: int, where: str) -> list[bytes]:
    elements: list[bytes] = []
    for part in parts:
        data = bytes(part)  # whose slices are the elements; those of a memoryview would need a copy each
        position = _add_elements(data, elements, count + 1 - len(elements), where)
        for found, start, end in read_fields(data, position, len(data), CONTENTS, where, _most(count)):
            if found == _BYTES_TAG:
                elements.append(data[start:end])
            elif found & 7 != LENGTH or start != end:
                raise _wrong_field(where, found, datatype)
    return elements


def _add_elements(data: bytes, elements: list[bytes], most: int, where: str) -> int:
    """Add the elements at the beginning of a message up to where it needs a closer look, and return that place."""
    position, end = 0, len(data)
    add = elements.append
    with suppress(IndexError):  # its end
        for _ in range(most):
            length = data[position + 1]
            start = position + 2
            if data[position] != _BYTES_TAG:
                break
            if length > 127:
                length, start = read_varint(data, position + 1, end, _name(where, _BYTES_CONTENTS))
            if start + length > end:
                break
            add(data[start : start + length])
            position = start + length
    return position


def _read_payload(parts: list[memoryview], number: int, datatype: Datatype, count: int, where: str) -> memoryview:
    """Return the elements as if they had been sent packed, and in one piece, as they nearly always are."""
    packed = number << 3 | LENGTH
    pieces: list[memoryview | bytes] = []
    for part in parts:
        if part[0] == packed:
            length, start = read_varint(part, 1, len(part), _name(where, number))
            if start + length == len(part):
                pieces.append(part[start:])
                continue
        elif len(part) > _SHORT and (piece := _one_by_one(part, number, NUMPY_DTYPES[datatype])) is not None:
            pieces.append(piece)
            continue
        for tag, start, end in read_fields(part, 0, len(part), CONTENTS, where, _most(count)):
            if tag == packed:
                pieces.append(part[start:end])
            elif tag >> 3 == number:
                pieces.append(varint(start) if tag & 7 == VARINT else part[start:end])
            elif tag & 7 != LENGTH or start != end:
                raise _wrong_field(where, tag, datatype)
    return memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))


def _one_by_one(part: memoryview, number: int, dtype: np.dtype[Any]) -> bytes | None:
    """Return the elements of a message that has nothing else, each with a tag; `None` if there is more to it."""
    data = np.frombuffer(part, np.uint8)
    if dtype.kind == "f":
        tag = number << 3 | (FIXED32 if dtype.itemsize == 4 else FIXED64)
        if len(data) % (1 + dtype.itemsize):
            return None
        rows = data.reshape(-1, 1 + dtype.itemsize)
        return rows[:, 1:].tobytes() if (rows[:, 0] == tag).all() else None
    # Tags and elements are varints that take turns: a byte is in an element if an odd number of them ended before it.
    ended = np.bitwise_xor.accumulate(data < 128)
    in_element = np.roll(ended, 1)
    if ended[-1] or data[-1] > 127 or (data[~in_element] != (number << 3 | VARINT)).any():
        return None
    return data[in_element].tobytes()


def _most(count: int) -> int:
    """Return how many fields are looked at one by one: no writer mixes forms, but whoever is up to no good might."""
    return min(count, _MIXED) + STRANGERS


def _wrong_field(where: str, tag: int, datatype: Datatype) -> InferenceError:
    expected = CONTENTS_FIELDS[CONTENTS_OF[datatype]][0] if datatype in CONTENTS_OF else "raw_input_contents"
    return InferenceError(f"{CONTENTS.path(where, tag)}: {datatype} takes {expected}")


def _name(where: str, number: int) -> str:
    return f"{where}.{CONTENTS_FIELDS[number][0]}"


def _wrong_count(where: str, number: int, shape: list[int], expected: int, count: int) -> InferenceError:
    return InferenceError(f"{_name(where, number)}: the shape {shape} takes {expected} elements, got {count}")


def write_contents(output: Tensor) -> list[Buffer]:
    """Return the message that has the elements of an output; the memory of a large array is not copied.

    Raises:
        InternalError: The elements do not fit the output's datatype or shape.
    """
    number = CONTENTS_OF[output.datatype]
    if output.datatype is _BYTES:
        return [b"".join([with_length(number, element) for element in elements_of_bytes(output)])]
    array = array_of(output).reshape(-1)
    payload = array.view(np.uint8).data if output.datatype in _FIXED else write_varints(array)
    if not len(payload):
        return []
    return [b"%c%b" % (number << 3 | LENGTH, varint(len(payload))), payload]
