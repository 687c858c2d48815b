"""Plain Python values to the elements of a tensor, one by one: exact, slow, and the writer of every error.

The faster ways in `json_tensor` come here with whatever they do not understand.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcore_protocol.datatypes import FLOATS, NUMPY_DTYPES, Datatype
from mlcore_protocol.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Callable

SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""The floats that JSON has no numbers for, by the text that stands for them."""

_INFINITIES = (math.inf, -math.inf)

# Everything below halfway to the next power of two still rounds to the largest number that the datatype has.
# BF16 is reached by way of FP32, hence rounds twice.
LARGEST_FLOATS = {
    Datatype.FP16: math.nextafter(65520.0, 0.0),
    Datatype.BF16: math.nextafter(2.0**128 - 2.0**119 - 2.0**103, 0.0),
    Datatype.FP32: math.nextafter(2.0**128 - 2.0**103, 0.0),
    Datatype.FP64: float(np.finfo(np.float64).max),
}
"""The largest number that each floating-point datatype takes without becoming infinite."""


def elements_of(data: Any, datatype: Datatype, shape: list[int], field: str) -> list[Any]:
    """Flatten `data` and check each element against `datatype`.

    Args:
        data: A flat list, a list nested like `shape`, or one element alone.
        datatype: What the elements have to be.
        shape: The tensor's shape.
        field: Where the tensor stands in the request, for the error.

    Raises:
        InferenceError: An element has another type, or the nesting does not follow the shape.
    """
    if not isinstance(data, list):
        data = [data]
    if any(isinstance(element, list) for element in data):
        data = _flattened(data, shape, 0, field)
    check = _CHECKS[datatype]
    return [check(element, datatype, field, index) for index, element in enumerate(data)]


def _flattened(data: list[Any], shape: list[int], depth: int, field: str) -> list[Any]:
    if depth >= len(shape) or len(data) != shape[depth]:
        raise InferenceError(
            f"{field}.data: its nesting does not follow the shape {shape}: dimension {depth} has {len(data)} "
            f"entries somewhere; send {shape} nested, or all elements in one flat list"
        )
    if depth == len(shape) - 1:
        if any(isinstance(element, list) for element in data):
            raise InferenceError(f"{field}.data: nested deeper than the {len(shape)} dimensions of its shape")
        return data
    elements = []
    for row in data:
        if not isinstance(row, list):
            raise InferenceError(
                f"{field}.data: mixes elements and lists in dimension {depth}; send {shape} nested, or one flat list"
            )
        elements += _flattened(row, shape, depth + 1, field)
    return elements


def _float(element: Any, datatype: Datatype, field: str, index: int) -> float:
    if type(element) is float or type(element) is int:
        limit = LARGEST_FLOATS[datatype]
        # Only Python's own floats can be infinite or NaN: JSON has no numbers for them.
        if -limit <= element <= limit or element in _INFINITIES or element != element:
            return float(element)
        raise _wrong_element(field, index, f"a number that {datatype} can hold", element)
    if element is None:
        return math.nan
    if isinstance(element, str) and element in SPECIAL_FLOATS:
        return SPECIAL_FLOATS[element]
    raise _wrong_element(field, index, f"a number for {datatype}", element)


def _integer(element: Any, datatype: Datatype, field: str, index: int) -> int:
    if type(element) is not int:
        raise _wrong_element(field, index, f"an integer for {datatype}", element)
    bounds = np.iinfo(NUMPY_DTYPES[datatype])
    if not bounds.min <= element <= bounds.max:
        raise _wrong_element(field, index, f"an integer from {bounds.min} to {bounds.max} for {datatype}", element)
    return element


def _boolean(element: Any, datatype: Datatype, field: str, index: int) -> bool:
    # 0 and 1 say the same as false and true; some clients have only numbers.
    if type(element) is bool or (type(element) is int and element in (0, 1)):
        return bool(element)
    raise _wrong_element(field, index, f"true or false for {datatype}", element)


def _text(element: Any, datatype: Datatype, field: str, index: int) -> str | bytes | None:
    # null is an absent text; which models take one is for the codec to say.
    if element is None or isinstance(element, str | bytes):
        return element
    raise _wrong_element(field, index, f"a string for {datatype}", element)


_CHECKS: dict[Datatype, Callable[[Any, Datatype, str, int], Any]] = {
    **dict.fromkeys(NUMPY_DTYPES, _integer),
    **dict.fromkeys(FLOATS, _float),
    Datatype.BOOL: _boolean,
    Datatype.BYTES: _text,
}


def _wrong_element(field: str, index: int, expected: str, element: Any) -> InferenceError:
    return InferenceError(f"{field}.data[{index}]: expected {expected}, got {_shown(element)}")


def _shown(element: Any) -> str:
    """Return how JSON writes `element`, at most 64 characters of it."""
    match element:
        case None:
            return "null"
        case bool():
            return str(element).lower()
        case dict():
            return "an object"
        case str() | bytes():
            shown = repr(element[:64])
            return shown if len(element) <= 64 else f"{shown}..."
    return repr(element)[:64]
