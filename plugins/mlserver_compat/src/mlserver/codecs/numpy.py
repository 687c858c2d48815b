"""Content type `np`: numpy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from mlcore.codecs import NumpyCodec, NumpyRequestCodec
from mlcore.errors import InternalError
from mlcore_protocol import Datatype, datatype_of
from mlcore_protocol.datatypes import NUMPY_DTYPES

if TYPE_CHECKING:
    from mlcore_protocol import RequestInput, ResponseOutput

__all__ = ["NumpyCodec", "NumpyRequestCodec", "convert_nan", "to_datatype", "to_dtype"]


def to_datatype(dtype: np.dtype[Any]) -> Datatype:
    """Return the datatype that carries arrays of a dtype.

    Raises:
        InternalError: The protocol has none.
    """
    datatype = datatype_of(np.dtype(dtype))
    if datatype is None:
        raise InternalError(
            f"arrays of dtype {dtype} have no datatype in the protocol; convert them to numbers or text"
        )
    return datatype


def to_dtype(input_or_output: RequestInput | ResponseOutput) -> np.dtype[Any]:
    """Return the dtype of the array that a tensor holds; `object` for texts and bytes."""
    return NUMPY_DTYPES.get(input_or_output.datatype, np.dtype(object))


def convert_nan(val: Any) -> Any:
    """Return `None` for NaN, which JSON does not have."""
    return None if isinstance(val, float | np.floating) and np.isnan(val) else val
