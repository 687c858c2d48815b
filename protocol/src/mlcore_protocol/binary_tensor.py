"""The elements of one tensor as raw bytes, to numpy and back.

Source: binary tensor data extension; little-endian, row-major, no padding. BYTES elements are each preceded by
their length in 4 bytes. The same layout serves REST's binary parts and gRPC's raw contents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlcore_protocol.datatypes import NUMPY_DTYPES, Datatype, datatype_of
from mlcore_protocol.errors import InferenceError, InternalError

if TYPE_CHECKING:
    from mlcore_protocol.messages import ResponseOutput
    from mlcore_protocol.wire_format import Buffer


def read_binary(raw: memoryview, datatype: Datatype, shape: list[int], count: int, field: str, longest: int) -> Any:
    """Read the elements: an array that is a view of `raw` wherever its alignment allows, a list for BYTES.

    Args:
        raw: Exactly this tensor's bytes.
        datatype: What the elements are.
        shape: The tensor's shape, already checked.
        count: The product of `shape`.
        field: Where the tensor stands in the request, for the error.
        longest: The most bytes that one BYTES element may have.

    Raises:
        InferenceError: The number of bytes does not fit, or a BYTES length leads out of the buffer.
    """
    if datatype is Datatype.BYTES:
        return _read_elements(raw, count, field, longest)
    dtype = NUMPY_DTYPES[datatype]
    if len(raw) != count * dtype.itemsize:
        raise InferenceError(
            f"{field}: the shape {shape} of {datatype} takes {count * dtype.itemsize} bytes, got {len(raw)}"
        )
    array = np.frombuffer(raw, dtype).reshape(shape)
    if datatype is Datatype.BOOL and count and array.view(np.uint8).max() > 1:
        raise InferenceError(f"{field}: BOOL takes the bytes 0 and 1 only")
    # Most numeric libraries refuse or crawl on unaligned memory: then, and only then, copy.
    return array if array.flags.aligned else array.copy()


def _read_elements(raw: memoryview, count: int, field: str, longest: int) -> list[bytes]:
    if count * 4 > len(raw):  # before any loop: the shape is the client's word
        raise InferenceError(f"{field}: {count} BYTES elements take at least {count * 4} bytes, got {len(raw)}")
    elements = []
    position, end = 0, len(raw)
    for index in range(count):
        start = position + 4
        length = int.from_bytes(raw[position:start], "little")
        position = start + length
        if start > end or position > end:
            raise InferenceError(f"{field}: the length of BYTES element {index} leads beyond the tensor's {end} bytes")
        if length > longest:
            raise InferenceError(f"{field}: BYTES element {index} has {length} bytes, the limit is {longest}")
        elements.append(bytes(raw[start:position]))
    if position != end:
        raise InferenceError(f"{field}: {end - position} bytes are left over after {count} BYTES elements")
    return elements


def write_binary(output: ResponseOutput) -> Buffer:
    """Return the output's elements as raw bytes.

    Raises:
        InternalError: An element of a BYTES output is neither text nor bytes, or an array has another datatype.
    """
    values = output.data.values
    if output.datatype is Datatype.BYTES:
        return _write_elements(output.name, values)
    dtype = NUMPY_DTYPES[output.datatype]
    if not isinstance(values, np.ndarray):
        values = np.array([np.nan if value is None else value for value in values], dtype)
    if values.dtype != dtype:
        raise InternalError(
            f"output '{output.name}' says {output.datatype}, but its array holds {datatype_of(values.dtype)}"
        )
    array = np.ascontiguousarray(values)
    return memoryview(array.reshape(-1).view(np.uint8)) if array.size else b""


def _write_elements(name: str, values: Any) -> bytes:
    if isinstance(values, np.ndarray):
        values = values.reshape(-1).tolist()
    pieces: list[bytes] = []
    for value in values:
        element = value.encode() if isinstance(value, str) else b"" if value is None else value
        if not isinstance(element, bytes):
            raise InternalError(f"output '{name}' is BYTES, but holds a {type(value).__name__}")
        pieces += (len(element).to_bytes(4, "little"), element)
    return b"".join(pieces)
