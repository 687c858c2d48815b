"""Packed varints, to numpy and back: many at a time, for a Python step costs as much as a hundred of numpy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlcore_protocol.errors import InferenceError
from mlcore_protocol.protobuf_wire import read_varint, varint

# Up to this many bytes, or elements, a loop in Python is faster (benchmarks/protobuf.py).
_FEW = 32

# Bytes, or elements, that are worked on at once: so what lies between stays in the processor's cache.
_BLOCK = 32 * 1024

_LONGEST = 10  # bytes of a varint

_INT32_LIKE = (np.dtype("<i1"), np.dtype("<i2"), np.dtype("<i4"))


def count_varints(payload: memoryview) -> int:
    """Return how many varints there are: each ends with a byte below 128."""
    if len(payload) <= _FEW:
        return sum(byte < 128 for byte in payload)
    return int(np.count_nonzero(np.frombuffer(payload, np.int8) >= 0))


def read_varints(payload: memoryview, dtype: np.dtype[Any], datatype: str, field: str) -> np.ndarray[Any, Any]:
    """Return packed varints as an array.

    Args:
        payload: Nothing but the varints.
        dtype: The type of the array, any of integers, or that of booleans.
        datatype: Its name, for errors.
        field: Where the varints stand, for errors.

    Raises:
        InferenceError: One does not fit the type, is too long, or is cut off.
    """
    if len(payload) <= _FEW:
        return _read_few(payload, dtype, datatype, field)
    numbers = np.frombuffer(payload, np.uint8)
    if numbers[-1] > 127:
        raise InferenceError(f"{field}: its last varint is cut off")
    if numbers.max() < (2 if dtype.kind == "b" else 128):
        return numbers.view(dtype) if dtype.itemsize == 1 else numbers.astype(dtype)
    blocks = []
    start = count = 0
    while start < len(numbers):
        block = numbers[start : start + _BLOCK]
        ends = np.flatnonzero(block < 128)
        if not len(ends):
            raise _too_long(field, count)
        block = block[: int(ends[-1]) + 1]
        blocks.append(_fitting(_values(block, ends, field, count), dtype, datatype, field, count))
        start += len(block)
        count += len(ends)
    return np.concatenate(blocks)


def _values(block: np.ndarray[Any, Any], ends: np.ndarray[Any, Any], field: str, first: int) -> np.ndarray[Any, Any]:
    """Return the varints of a block as unsigned integers."""
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    lengths = ends - starts + 1
    longest = int(lengths.max())
    if longest > _LONGEST:
        raise _too_long(field, first + int(np.argmax(lengths > _LONGEST)))
    septets = (block & np.uint8(127)).astype(np.uint64)
    values = septets[starts]
    for index in range(1, longest):
        more = np.flatnonzero(lengths > index)
        parts = septets[starts[more] + index]
        if index == _LONGEST - 1 and parts.max() > 1:
            raise InferenceError(f"{field}[{first + int(more[np.argmax(parts > 1)])}]: a varint has more than 64 bits")
        values[more] |= parts << np.uint64(7 * index)
    return values


def _fitting(
    values: np.ndarray[Any, Any], dtype: np.dtype[Any], datatype: str, field: str, first: int
) -> np.ndarray[Any, Any]:
    """Return integers of 64 bits as the type that they have to be of."""
    if dtype.kind == "b":
        wrong = values > 1
    elif dtype.itemsize == 8:
        wrong = None
    elif dtype.kind == "u":
        wrong = values > np.iinfo(dtype).max
    else:
        # Ten bytes are the rule for a negative one, but there are writers who are content with five.
        low = values.astype(np.uint32).view(np.int32)
        wide = values.view(np.int64)
        bounds = np.iinfo(dtype)
        wrong = ((low != wide) & (wide >> 32 != 0)) | (low < bounds.min) | (low > bounds.max)
        values = low if not wrong.any() else wide
    if wrong is not None and wrong.any():
        index = int(np.argmax(wrong))
        raise _wrong_element(field, first + index, dtype, datatype, int(values[index]))
    return values.view(dtype) if values.dtype.itemsize == dtype.itemsize else values.astype(dtype)


def _read_few(payload: memoryview, dtype: np.dtype[Any], datatype: str, field: str) -> np.ndarray[Any, Any]:
    values: list[int] = []
    position, end = 0, len(payload)
    is_narrow = dtype in _INT32_LIKE
    while position < end:
        value = payload[position]
        if value < 128:
            position += 1
        else:
            value, position = read_varint(payload, position, end, f"{field}[{len(values)}]")
            if dtype.kind == "i" and value >> 31:
                if value >> 63:
                    value -= 1 << 64
                elif is_narrow and not value >> 32:
                    value -= 1 << 32
        values.append(value)
    largest = 1 if dtype.kind == "b" else np.iinfo(dtype).max
    smallest = 0 if dtype.kind == "b" else np.iinfo(dtype).min
    for index, value in enumerate(values):
        if not smallest <= value <= largest:
            raise _wrong_element(field, index, dtype, datatype, value)
    return np.array(values, dtype)


def write_varints(values: np.ndarray[Any, Any]) -> bytes | memoryview:
    """Return integers, or booleans, as packed varints.

    Args:
        values: A flat array.
    """
    if not values.size:
        return b""
    if values.dtype.kind == "b" or (values.min() >= 0 and values.max() < 128):
        return values.astype(np.uint8, copy=False).data
    if values.size <= _FEW:
        return b"".join([varint(value) for value in values.tolist()])
    starts = range(0, values.size, _BLOCK)
    return b"".join([_packed(values[start : start + _BLOCK]) for start in starts])


def _packed(values: np.ndarray[Any, Any]) -> bytes:
    if values.dtype != np.uint64:
        values = values.astype(np.int64).view(np.uint64)
    lengths = np.ones(values.size, np.intp)
    longest = max(1, -(-int(values.max()).bit_length() // 7))
    for index in range(1, longest):
        lengths += values >= np.uint64(1 << 7 * index)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    written = np.empty(int(ends[-1]), np.uint8)
    written[starts] = values.astype(np.uint8)
    for index in range(1, longest):
        more = np.flatnonzero(lengths > index)
        written[starts[more] + index] = (values[more] >> np.uint64(7 * index)).astype(np.uint8)
    written |= np.uint8(128)
    written[ends - 1] &= np.uint8(127)
    return written.tobytes()


def _too_long(field: str, index: int) -> InferenceError:
    return InferenceError(f"{field}[{index}]: expected a varint of at most {_LONGEST} bytes, got more")


def _wrong_element(field: str, index: int, dtype: np.dtype[Any], datatype: str, value: int) -> InferenceError:
    bounds = "0 or 1" if dtype.kind == "b" else f"an integer from {np.iinfo(dtype).min} to {np.iinfo(dtype).max}"
    return InferenceError(f"{field}[{index}]: expected {bounds} for {datatype}, got {value}")
