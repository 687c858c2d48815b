"""Packed varints, to numpy and back: many at a time, for a Python step costs as much as a hundred of numpy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlcore_protocol.errors import InferenceError
from mlcore_protocol.protobuf_wire import read_varint, varint

# Up to this many bytes, or elements, a loop in Python is faster (benchmarks/protobuf.py).
_FEW = 48

# Bytes, or elements, that are worked on at once: so what lies between stays in the processor's cache.
_BLOCK = 64 * 1024

_LONGEST = 10  # bytes of a varint

_BOUNDS = {
    np.dtype(np.bool_): (0, 1),
    **{
        dtype: (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        for dtype in map(np.dtype, ("<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8"))
    },
}
"""The smallest and the largest element of each type; asked for once, for numpy takes its time over it."""

_SEPTET = np.uint8(127)


class _Word:
    """How the varints of up to so many bytes are put together, each of them in one integer of that size.

    Args:
        size: 2, 4 or 8 bytes.

    Attributes:
        dtype: That integer.
        within: By a varint's length, the bits of the word that belong to it, and not to the next one.
        steps: How neighbouring groups of bits close up: those of the lower ones, of the higher ones, and how far
            these move. Groups are of 7 bits at first, then of 14, then of 28.
    """

    def __init__(self, size: int) -> None:
        self.dtype = np.dtype(f"<u{size}")
        self.within = np.array([(1 << 8 * min(length, size)) - 1 for length in range(_LONGEST + 1)], self.dtype)
        self.steps = []
        for gap in (1, 2, 4)[: size.bit_length() - 1]:
            lower = sum((1 << 7 * gap) - 1 << start for start in range(0, 8 * size, 16 * gap))
            self.steps.append(tuple(self.dtype.type(number) for number in (lower, lower << 8 * gap, gap)))


_WORDS = [_Word(2)] * 3 + [_Word(4)] * 2 + [_Word(8)] * 6
"""By the length of the longest varint."""


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
    word = _WORDS[longest]
    septets = np.zeros(len(block) + word.dtype.itemsize, np.uint8)  # so the last varint has a word's bytes, too
    np.bitwise_and(block, _SEPTET, out=septets[: len(block)])
    values = np.ndarray(len(block), word.dtype, septets, 0, (1,))[starts]
    values &= word.within[lengths]
    for lower, higher, gap in word.steps:
        moved = (values & higher) >> gap
        values &= lower
        values |= moved
    for index in range(8, longest):
        more = np.flatnonzero(lengths > index)
        parts = septets[starts[more] + index]
        if index == _LONGEST - 1 and parts.max() > 1:
            wrong = first + int(more[np.argmax(parts > 1)])
            raise InferenceError(f"{field}[{wrong}]: expected a varint of at most 64 bits, got more")
        values[more] |= parts.astype(np.uint64) << np.uint64(7 * index)
    return values


def _fitting(
    values: np.ndarray[Any, Any], dtype: np.dtype[Any], datatype: str, field: str, first: int
) -> np.ndarray[Any, Any]:
    """Return unsigned integers as the type that they have to be of."""
    if dtype.itemsize == 8:
        return values.astype(np.uint64, copy=False).view(dtype)
    smallest, largest = _BOUNDS[dtype]
    if values.max() <= largest:
        return values.astype(dtype)
    wrong = values > largest
    if dtype.kind == "i":
        wide = values.astype(np.uint64).view(np.int64)
        # Ten bytes are the rule for a negative number, but there are writers who are content with five.
        values = np.where(wide >> 32 == 0, wide.astype(np.int32), wide)
        wrong = (values < smallest) | (values > largest)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise _wrong_element(field, first + index, dtype, datatype, int(values[index]))
    return values.astype(dtype)


def _read_few(payload: memoryview, dtype: np.dtype[Any], datatype: str, field: str) -> np.ndarray[Any, Any]:
    values: list[int] = []
    position, end = 0, len(payload)
    smallest, largest = _BOUNDS[dtype]
    while position < end:
        value = payload[position]
        if value < 128:
            position += 1
        else:
            value, position = read_varint(payload, position, end, f"{field}[{len(values)}]")
            if smallest and value >> 31:
                if value >> 63:
                    value -= 1 << 64
                elif largest >> 31 == 0 and not value >> 32:
                    value -= 1 << 32
        if not smallest <= value <= largest:
            raise _wrong_element(field, len(values), dtype, datatype, value)
        values.append(value)
    return np.array(values, dtype)


def write_varints(values: np.ndarray[Any, Any]) -> bytes | memoryview:
    """Return integers, or booleans, as packed varints.

    Args:
        values: A flat array.
    """
    if not values.size:
        return b""
    if values.dtype.kind == "b" or (values.min() >= 0 and values.max() < 128):
        return (values.view(np.uint8) if values.itemsize == 1 else values.astype(np.uint8)).data
    if values.size <= _FEW:
        return b"".join([varint(value) for value in values.tolist()])
    starts = range(0, values.size, _BLOCK)
    return b"".join([_packed(values[start : start + _BLOCK]) for start in starts])


def _packed(values: np.ndarray[Any, Any]) -> bytes:
    rest = values.astype(np.int64 if values.dtype.kind == "i" else np.uint64).view(np.uint64)
    longest = -(-int(rest.max()).bit_length() // 7)
    written = np.empty((values.size, longest), np.uint8)
    is_part = np.ones((values.size, longest), np.bool_)
    for index in range(longest):
        np.copyto(written[:, index], rest, casting="unsafe")
        rest = rest >> np.uint64(7)
        goes_on = rest != 0
        written[:, index] &= _SEPTET
        written[:, index] |= goes_on.view(np.uint8) << np.uint8(7)
        if index + 1 < longest:
            is_part[:, index + 1] = goes_on
    return written[is_part].tobytes()


def _too_long(field: str, index: int) -> InferenceError:
    return InferenceError(f"{field}[{index}]: expected a varint of at most {_LONGEST} bytes, got more")


def _wrong_element(field: str, index: int, dtype: np.dtype[Any], datatype: str, value: int) -> InferenceError:
    bounds = "0 or 1" if dtype.kind == "b" else "an integer from {} to {}".format(*_BOUNDS[dtype])
    return InferenceError(f"{field}[{index}]: expected {bounds} for {datatype}, got {value}")
