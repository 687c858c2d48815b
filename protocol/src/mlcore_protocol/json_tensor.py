"""The `data` of one tensor in JSON, to numpy and back.

Three ways in, each with the same result: short flat lists through a typed decoder, long ones through
simdjson straight into an array, and a slow, exact way for everything else, which also writes the error.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from mlcore_protocol.datatypes import FLOATS, NUMPY_DTYPES, Datatype
from mlcore_protocol.errors import InferenceError
from mlcore_protocol.tensor_data import TensorData

try:
    import simdjson
except ImportError:  # no wheels for this Python: every list takes the typed decoder
    simdjson = None

# Below this many bytes the typed decoder is faster than simdjson and its copy (benchmarks/json_numbers).
_LONG = 400

_SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_NUMBER_CHARACTERS = b"0123456789+-.eE \t\r\n"
_LARGEST = {datatype: float(np.finfo(NUMPY_DTYPES[datatype]).max) for datatype in (Datatype.FP16, Datatype.FP32)}
_LARGEST[Datatype.BF16] = 3.3895313892515355e38
_LARGEST[Datatype.FP64] = math.inf

_floats = msgspec.json.Decoder(list[float]).decode
_integers = msgspec.json.Decoder(list[int]).decode
_booleans = msgspec.json.Decoder(list[bool]).decode
_texts = msgspec.json.Decoder(list[str]).decode
_anything = msgspec.json.Decoder().decode


class JsonTensorReader:
    """Reads the JSON `data` of tensors. One per thread: it owns a parser whose memory is used again."""

    def __init__(self) -> None:
        self._parser = simdjson.Parser() if simdjson is not None else None

    def read(self, source: msgspec.Raw, datatype: Datatype, shape: list[int], count: int, field: str) -> TensorData:
        """Read `data`.

        Args:
            source: The JSON of `data`.
            datatype: What the elements are.
            shape: The tensor's shape, already checked.
            count: The product of `shape`.
            field: Where the tensor stands in the request, for the error.

        Raises:
            InferenceError: An element, their number or their nesting does not fit datatype and shape.
        """
        if datatype is Datatype.BYTES:
            try:
                texts: list[Any] = _texts(source)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                texts = _read_slowly(source, datatype, shape, field)
            if len(texts) != count:
                raise _wrong_count(field, shape, count, len(texts))
            return TensorData(texts, source)
        values = self._numbers(source, datatype, shape, count)
        if values is None:
            values = _array(_read_slowly(source, datatype, shape, field), datatype, field)
        if values.size != count:
            raise _wrong_count(field, shape, count, values.size)
        return TensorData(values.reshape(shape), source)

    def _numbers(
        self, source: msgspec.Raw, datatype: Datatype, shape: list[int], count: int
    ) -> np.ndarray[Any, Any] | None:
        """Read plain numbers the fast way, or return `None` where the slow way has to look."""
        if self._parser is not None and datatype is not Datatype.BOOL and len(memoryview(source)) > _LONG:
            return self._long(bytes(source), datatype, shape, count)
        try:
            if datatype in FLOATS:
                floats = _floats(source)
                limit = _LARGEST[datatype]
                if floats and not (-limit <= min(floats) and max(floats) <= limit):
                    return None
                return np.array(floats, NUMPY_DTYPES[datatype])
            return np.array((_booleans if datatype is Datatype.BOOL else _integers)(source), NUMPY_DTYPES[datatype])
        except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError):
            return None

    def _long(self, source: bytes, datatype: Datatype, shape: list[int], count: int) -> np.ndarray[Any, Any] | None:
        of_type = "d" if datatype in FLOATS else "u" if datatype is Datatype.UINT64 else "i"
        wide = np.dtype("<f8" if of_type == "d" else "<u8" if of_type == "u" else "<i8")
        try:
            values = np.frombuffer(self._parser.parse(source).as_buffer(of_type=of_type), wide)
        except (TypeError, ValueError, AttributeError, RuntimeError):
            return None
        # as_buffer flattens whatever nesting there is, so the brackets are compared on their own.
        if source.count(b"[") != 1 and (
            values.size != count or source.translate(None, _NUMBER_CHARACTERS) != _brackets(shape)
        ):
            return None
        narrow = NUMPY_DTYPES[datatype]
        if narrow == wide:
            return values
        if of_type == "d":
            try:
                with np.errstate(over="raise"):
                    return values.astype(narrow)
            except FloatingPointError:
                return None
        bounds = np.iinfo(narrow)
        if values.size and (values.min() < bounds.min or values.max() > bounds.max):
            return None
        return values.astype(narrow)


def _brackets(shape: list[int]) -> bytes:
    """Return what is left of a nested array's JSON without its numbers: `[[,],[,]]` for a shape of 2, 2."""
    left = b"," * (shape[-1] - 1) if shape else b""
    for index in range(len(shape) - 1, -1, -1):
        left = b"[" + left + b"]"
        if index:
            left = b",".join([left] * shape[index - 1])
    return left


def _read_slowly(source: msgspec.Raw, datatype: Datatype, shape: list[int], field: str) -> list[Any]:
    """Read any legal `data` into a flat list of elements that fit `datatype`, or say what is wrong."""
    try:
        data = _anything(source)
    except RecursionError:
        raise InferenceError(f"{field}.data: nested deeper than the {len(shape)} dimensions of its shape") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InferenceError(f"{field}.data: not valid JSON: {error}") from None
    return elements_of(data, datatype, shape, field)


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
    if depth == len(shape) - 1:
        if any(isinstance(element, list) for element in data):
            raise InferenceError(f"{field}.data: nested deeper than the {len(shape)} dimensions of its shape")
        rows = data
    else:
        rows = []
    if depth >= len(shape) or len(data) != shape[depth]:
        raise InferenceError(
            f"{field}.data: its nesting does not follow the shape {shape}: dimension {depth} has {len(data)} "
            f"entries somewhere; send {shape} nested, or all elements in one flat list"
        )
    if depth < len(shape) - 1:
        for row in data:
            if not isinstance(row, list):
                raise InferenceError(
                    f"{field}.data: mixes elements and lists in dimension {depth}; send {shape} nested, or one flat list"
                )
            rows += _flattened(row, shape, depth + 1, field)
    return rows


def _float(element: Any, datatype: Datatype, field: str, index: int) -> float:
    if type(element) is float or type(element) is int:
        try:
            value = float(element)
        except OverflowError:
            value = math.inf
        if abs(value) <= _LARGEST[datatype] and not math.isinf(value):
            return value
        raise _wrong_element(field, index, f"a number that {datatype} can hold", element)
    if element is None:
        return math.nan
    if isinstance(element, str) and element in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[element]
    raise _wrong_element(field, index, f"a number for {datatype}", element)


def _integer(element: Any, datatype: Datatype, field: str, index: int) -> int:
    bounds = np.iinfo(NUMPY_DTYPES[datatype])
    if type(element) is not int:
        raise _wrong_element(field, index, f"an integer for {datatype}", element)
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


_CHECKS: dict[Datatype, Any] = {datatype: _integer for datatype in Datatype}
_CHECKS.update(dict.fromkeys(FLOATS, _float))
_CHECKS[Datatype.BOOL] = _boolean
_CHECKS[Datatype.BYTES] = _text


def _array(elements: list[Any], datatype: Datatype, field: str) -> np.ndarray[Any, Any]:
    return np.array(elements, NUMPY_DTYPES[datatype])


def _wrong_element(field: str, index: int, expected: str, element: Any) -> InferenceError:
    came = {None: "null", True: "true", False: "false"}.get(element) if element in (None, True, False) else None
    shown = repr(element)
    return InferenceError(
        f"{field}.data[{index}]: expected {expected}, got {came or (shown if len(shown) <= 64 else shown[:64] + '...')}"
    )


def _wrong_count(field: str, shape: list[int], expected: int, count: int) -> InferenceError:
    return InferenceError(f"{field}.data: the shape {shape} takes {expected} elements, got {count}")
