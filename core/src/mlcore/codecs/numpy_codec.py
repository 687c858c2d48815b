"""Content type `np`: numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from mlcore_protocol import Datatype, datatype_of
from mlcore_protocol.datatypes import NUMPY_DTYPES
from mlcore_protocol.errors import CodecError, InferenceError, InternalError
from mlcore_protocol.json_tensor import elements_of

from mlcore.codecs.interface import InputCodec, SingleTensorRequestCodec, Tensor


class NumpyCodec(InputCodec):
    """One tensor as a numpy array.

    Shapes:
        An array of one axis (N) is written as (N, 1), one without axes as (1): the first dimension of a
        tensor is always the batch. Every other array keeps its shape, and reading keeps every shape.
    """

    ContentType = "np"
    TypeHint = np.ndarray

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Say whether this is a numpy array."""
        return isinstance(payload, np.ndarray)

    @classmethod
    def write(cls, payload: np.ndarray[Any, Any], **options: Any) -> tuple[list[int], Datatype, Any]:
        """Return shape, datatype and the array itself, uncopied.

        Raises:
            InternalError: The protocol has no datatype for arrays of this dtype.
        """
        datatype = datatype_of(payload.dtype)
        if datatype is None:
            raise InternalError(
                f"arrays of dtype {payload.dtype} have no datatype in the protocol; convert them to numbers or text"
            )
        shape = list(payload.shape)
        if payload.ndim < 2:
            shape = [payload.shape[0], 1] if payload.ndim else [1]
        if datatype is Datatype.BYTES:
            return shape, datatype, payload.reshape(-1).tolist()
        return shape, datatype, payload.reshape(shape).astype(NUMPY_DTYPES[datatype], copy=False)

    @classmethod
    def read(cls, tensor: Tensor) -> np.ndarray[Any, Any]:
        """Return the array, which may be a view of the request's bytes.

        Text becomes a numpy text array; bytes, and text that ends in NUL, an object array, because numpy's own
        fixed-width types drop trailing NULs.
        """
        values = tensor.data.values
        if isinstance(values, np.ndarray):
            return values if list(values.shape) == tensor.shape else _shaped(values, tensor)
        if values is None:
            raise CodecError(f"'{tensor.name}': has no data")
        try:
            elements = elements_of(values, tensor.datatype, tensor.shape, f"'{tensor.name}'")
        except InferenceError as error:
            raise CodecError(str(error)) from None
        if tensor.datatype is not Datatype.BYTES:
            return _shaped(np.array(elements, NUMPY_DTYPES[tensor.datatype]), tensor)
        is_text = all(isinstance(element, str) and not element.endswith("\0") for element in elements)
        array = np.array(elements, dtype=np.str_) if is_text and elements else _objects(elements)
        return _shaped(array, tensor)


class NumpyRequestCodec(SingleTensorRequestCodec):
    """A request of one tensor as a numpy array."""

    ContentType = "np"
    InputCodec = NumpyCodec


def _objects(elements: list[Any]) -> np.ndarray[Any, Any]:
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array


def _shaped(array: np.ndarray[Any, Any], tensor: Tensor) -> np.ndarray[Any, Any]:
    try:
        return array.reshape(tensor.shape)
    except ValueError:
        raise CodecError(f"'{tensor.name}': the shape {tensor.shape} does not fit its {array.size} elements") from None
