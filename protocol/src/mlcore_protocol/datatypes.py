"""The tensor datatypes of the protocol and the numpy dtypes that hold them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import ml_dtypes
import numpy as np


class Datatype(StrEnum):
    """A tensor datatype, by the name it has on the wire."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    BF16 = "BF16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"


DATATYPES: dict[str, Datatype] = {datatype.value: datatype for datatype in Datatype}
"""Wire name to datatype; a plain dict because `Datatype(name)` costs ten times as much."""

NUMPY_DTYPES: dict[Datatype, np.dtype[Any]] = {
    Datatype.BOOL: np.dtype(np.bool_),
    Datatype.UINT8: np.dtype("<u1"),
    Datatype.UINT16: np.dtype("<u2"),
    Datatype.UINT32: np.dtype("<u4"),
    Datatype.UINT64: np.dtype("<u8"),
    Datatype.INT8: np.dtype("<i1"),
    Datatype.INT16: np.dtype("<i2"),
    Datatype.INT32: np.dtype("<i4"),
    Datatype.INT64: np.dtype("<i8"),
    Datatype.FP16: np.dtype("<f2"),
    Datatype.BF16: np.dtype(ml_dtypes.bfloat16),
    Datatype.FP32: np.dtype("<f4"),
    Datatype.FP64: np.dtype("<f8"),
}
"""The dtype of each fixed-size datatype; BYTES has none, its elements are Python `bytes` or `str`."""

FLOATS = frozenset({Datatype.FP16, Datatype.BF16, Datatype.FP32, Datatype.FP64})

_BY_DTYPE: dict[np.dtype[Any], Datatype] = {dtype: datatype for datatype, dtype in NUMPY_DTYPES.items()}


def datatype_of(dtype: np.dtype[Any]) -> Datatype | None:
    """Return the datatype that carries arrays of `dtype`, or `None` where the protocol has none.

    Text, bytes and object arrays are BYTES; whether their elements really are text is for the codec to see.
    """
    found = _BY_DTYPE.get(dtype)
    if found is not None:
        return found
    if dtype.kind in "OSUT":
        return Datatype.BYTES
    return _BY_DTYPE.get(dtype.newbyteorder("<"))
