"""The `data` of one output, from what a model answered to what orjson writes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcore_protocol.datatypes import FLOATS, NUMPY_DTYPES, Datatype, datatype_of
from mlcore_protocol.errors import InternalError

if TYPE_CHECKING:
    from mlcore_protocol.messages import ResponseOutput

# The numpy types, by their letters, that orjson writes as they are. An integer is a float's JSON, too.
_INTEGERS = "bBhHiIlLqQ"
_WRITTEN = {
    **dict.fromkeys(NUMPY_DTYPES, _INTEGERS),
    **dict.fromkeys(FLOATS, f"{_INTEGERS}fd"),
    Datatype.BOOL: "?",
    Datatype.BYTES: "",
}


def write_json(output: ResponseOutput) -> Any:
    """Return what orjson writes as the `data` of `output`; an array's elements flat. NaN and infinities become null.

    Raises:
        InternalError: It holds something else than the output's datatype says, or another number of elements than its
            shape; or a BYTES element is neither text nor bytes that are text.
    """
    values = output.data.values
    if isinstance(values, np.ndarray):
        _check_count(output, values.size)
        if values.dtype.char in _WRITTEN[output.datatype] and values.dtype.isnative:
            return values.ravel()
        if output.datatype is not Datatype.BYTES:
            return _converted(output, values)
        values = values.ravel().tolist()
    if output.datatype is Datatype.BYTES:
        written = [_written(output, value) for value in (values if isinstance(values, list) else [values])]
        if not _is_counted_in_bytes(output, values):
            _check_count(output, sum(map(_count_of, written)))
        return written
    _check_numbers(output, values)
    return values


def _check_count(output: ResponseOutput, count: int) -> None:
    if count != math.prod(output.shape):
        raise InternalError(f"output '{output.name}' says the shape {output.shape}, but has {count} elements")


def _is_counted_in_bytes(output: ResponseOutput, values: Any) -> bool:
    """Say whether the shape is that of the bytes of one element, as models for older servers have it."""
    if not isinstance(values, list) or len(values) != 1 or not isinstance(values[0], str | bytes):
        return False
    element = values[0].encode(errors="surrogatepass") if isinstance(values[0], str) else values[0]
    return math.prod(output.shape) == len(element)


def _count_of(value: Any) -> int:
    return sum(map(_count_of, value)) if isinstance(value, list) else 1


def _check_numbers(output: ResponseOutput, values: Any) -> None:
    """Check a list, perhaps nested, or a scalar, whose elements orjson would write whatever they are."""
    try:
        array = np.array(values)
        if array.dtype == object and output.datatype in FLOATS:
            array = np.array(values, np.float64)  # a NaN that was read from JSON is None
    except (ValueError, TypeError) as error:
        raise InternalError(f"output '{output.name}' is no tensor of {output.datatype}: {error}") from None
    if array.size and array.dtype.char not in _WRITTEN[output.datatype]:
        raise InternalError(f"output '{output.name}' says {output.datatype}, but its list holds {array.dtype}")
    _check_count(output, array.size)


def _converted(output: ResponseOutput, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return numbers that orjson does not know in a form that it does."""
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if values.dtype.char in _WRITTEN[output.datatype]:
        return values.ravel()
    if output.datatype in FLOATS and datatype_of(values.dtype) in FLOATS:
        return values.astype(np.float32).ravel()
    raise InternalError(f"output '{output.name}' says {output.datatype}, but its array holds {values.dtype}")


def _written(output: ResponseOutput, value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise InternalError(
                f"output '{output.name}' holds bytes that are not UTF-8 ({error.reason}); ask for it with the "
                "parameter binary_data, or let the model use the base64 codec"
            ) from None
    if isinstance(value, list):
        return [_written(output, element) for element in value]
    raise InternalError(f"output '{output.name}' is BYTES, but holds a {type(value).__name__}")
