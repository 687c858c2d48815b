"""The elements of one tensor as raw bytes, to numpy and back.

Source: binary tensor data extension; little-endian, row-major, no padding. BYTES elements are each preceded by
their length in 4 bytes. The same layout serves REST's binary parts and gRPC's raw contents.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcore_protocol.datatypes import DATATYPES, NUMPY_DTYPES, Datatype, datatype_of
from mlcore_protocol.errors import InferenceError, InternalError
from mlcore_protocol.json_elements import elements_of
from mlcore_protocol.messages import RequestInput
from mlcore_protocol.tensor_data import TensorData

if TYPE_CHECKING:
    from mlcore_protocol.messages import MetadataTensor, Tensor
    from mlcore_protocol.wire_format import Buffer

_length = struct.Struct("<I").unpack_from

_BOOL, _BYTES = Datatype.BOOL, Datatype.BYTES  # to look up an enum's attribute costs more than to compare with it


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
    if datatype is _BYTES:
        return _read_elements(raw, count, field, longest)
    dtype = NUMPY_DTYPES[datatype]
    if len(raw) != count * dtype.itemsize:
        raise InferenceError(
            f"{field}: the shape {shape} of {datatype} takes {count * dtype.itemsize} bytes, got {len(raw)}"
        )
    array = np.frombuffer(raw, dtype).reshape(shape)
    if datatype is _BOOL and count and array.view(np.uint8).max() > 1:
        raise InferenceError(f"{field}: BOOL takes the bytes 0 and 1 only")
    # Most numeric libraries refuse or crawl on unaligned memory: then, and only then, copy.
    return array if array.flags.aligned else array.copy()


def read_whole(body: memoryview, declared: MetadataTensor, longest: int) -> RequestInput:
    """Read a body that is the elements of one tensor and nothing else.

    Args:
        body: The elements; for BYTES one, without its length.
        declared: The tensor's name, datatype and shape; the body tells the size of a variable dimension.
        longest: The most bytes that one BYTES element may have.

    Raises:
        InferenceError: The bytes do not fill the shape, or not enough of it is declared.
    """
    field = f"input '{declared.name}'"
    datatype = DATATYPES.get(declared.datatype)
    if datatype is _BYTES:
        if len(body) > longest:
            raise InferenceError(f"{field}: expected at most {longest} bytes, got {len(body)}")
        return RequestInput(name=declared.name, shape=[1], datatype=datatype, data=TensorData([bytes(body)]))
    if datatype is None or sum(size < 0 for size in declared.shape) > 1:
        raise InferenceError(f"{field}: a raw body needs a declared datatype and at most one variable dimension")
    row = math.prod(size for size in declared.shape if size >= 0) * NUMPY_DTYPES[datatype].itemsize
    shape = [len(body) // (row or 1) if size < 0 else size for size in declared.shape]
    array = read_binary(body, datatype, shape, math.prod(shape), field, longest)
    return RequestInput(name=declared.name, shape=shape, datatype=datatype, data=TensorData(array))


def _read_elements(raw: memoryview, count: int, field: str, longest: int) -> list[bytes]:
    if count * 4 > len(raw):  # before any loop: the shape is the client's word
        raise InferenceError(f"{field}: {count} BYTES elements take at least {count * 4} bytes, got {len(raw)}")
    elements = []
    data = bytes(raw)  # whose slices are the elements; those of a memoryview would need a copy each
    position, end = 0, len(data)
    for index in range(count):
        start = position + 4
        length = _length(data, position)[0] if start <= end else 0
        position = start + length
        if position > end:
            raise InferenceError(f"{field}: the length of BYTES element {index} leads beyond the tensor's {end} bytes")
        if length > longest:
            raise InferenceError(f"{field}: BYTES element {index} has {length} bytes, the limit is {longest}")
        elements.append(data[start:position])
    if position != end:
        raise InferenceError(f"{field}: {end - position} bytes are left over after {count} BYTES elements")
    return elements


def write_binary(output: Tensor) -> Buffer:
    """Return the output's elements as raw bytes.

    Raises:
        InternalError: As for `array_of` and `elements_of_bytes`.
    """
    if output.datatype is _BYTES:
        return _write_elements(elements_of_bytes(output))
    return array_of(output).reshape(-1).view(np.uint8).data


def array_of(output: Tensor) -> np.ndarray[Any, Any]:
    """Return the output's numbers in one piece of memory, as they are on the wire.

    Raises:
        InternalError: An array has another datatype than the output says, an element of a list does not fit it, or
            there are more or fewer elements than the shape has.
    """
    values, datatype = output.data.values, output.datatype
    if not isinstance(values, np.ndarray):
        values = np.array(_elements(output), NUMPY_DTYPES[datatype])
    _check_count(output, values.size)
    if datatype_of(values.dtype) is not datatype:
        raise InternalError(f"output '{output.name}' says {datatype}, but its array holds {values.dtype}")
    return np.ascontiguousarray(values, NUMPY_DTYPES[datatype])


def elements_of_bytes(output: Tensor) -> list[bytes]:
    """Return the elements of an output of BYTES; an absent text is an empty one.

    Raises:
        InternalError: One is neither text nor bytes, or there are more or fewer than the shape has.
    """
    elements = _elements(output)
    _check_count(output, len(elements))
    return [element.encode() if isinstance(element, str) else element or b"" for element in elements]


def _elements(output: Tensor) -> list[Any]:
    """Return the elements of a list, or of an array of texts, as plain Python objects that fit the datatype."""
    try:
        flat = np.asarray(output.data.values, object).ravel().tolist()
        plain = [value.item() if isinstance(value, np.generic) else value for value in flat]
        return elements_of(plain, output.datatype, output.shape, f"output '{output.name}'")
    except ValueError as error:  # elements_of's own, and numpy's word for ragged lists
        raise InternalError(str(error)) from error


def _check_count(output: Tensor, count: int) -> None:
    if count != math.prod(output.shape):
        raise InternalError(f"output '{output.name}' says the shape {output.shape}, but has {count} elements")


def _write_elements(elements: list[bytes]) -> bytes:
    pieces: list[bytes] = []
    for element in elements:
        pieces += (len(element).to_bytes(4, "little"), element)
    return b"".join(pieces)
