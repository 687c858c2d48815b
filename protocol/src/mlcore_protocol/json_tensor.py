"""The `data` of one tensor in JSON, to numpy.

Three ways in, each with the same result: short lists through typed decoders, long ones through simdjson straight
into an array, and a slow, exact way for everything else, which also writes the error.
"""

from __future__ import annotations

from functools import cache
from types import GenericAlias
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from mlcore_protocol.datatypes import FLOATS, NUMPY_DTYPES, Datatype
from mlcore_protocol.errors import InferenceError
from mlcore_protocol.json_elements import LARGEST_FLOATS
from mlcore_protocol.json_elements import elements_of as elements_of
from mlcore_protocol.json_head import validation_text
from mlcore_protocol.limits import Limits
from mlcore_protocol.tensor_data import TensorData

# Up to this many bytes the typed decoder is faster than simdjson and its copy (benchmarks/json_numbers.py).
_LONG = 700

# simdjson keeps several times the size of the largest text that it has seen. A larger one gets a parser of its own.
_KEPT = 4 * 2**20

_BOOL, _BYTES = Datatype.BOOL, Datatype.BYTES  # to look up an enum's attribute costs more than to compare with it

_NUMBER_CHARACTERS = b"0123456789+-.eE \t\r\n"

# What is raised by data that is not a list of plain numbers: by msgspec, by numpy where a number does not fit or rows
# are ragged, and by simdjson, whose errors include the missing attribute of what is not an array.
_NOT_PLAIN = (msgspec.DecodeError, ValueError, ArithmeticError, TypeError, AttributeError, RuntimeError)


class _Numbers(NamedTuple):
    """How the numbers of one datatype are read."""

    dtype: np.dtype[Any]
    wide: np.dtype[Any]  # what simdjson fills
    letter: str  # its name for that
    element: Any  # what a typed decoder takes
    decode: Any  # the typed decoder of a flat list


def _numbers(datatype: Datatype) -> _Numbers:
    element: Any = int  # numpy itself refuses those that do not fit
    wide, letter = ("<u8", "u") if datatype is Datatype.UINT64 else ("<i8", "i")
    if datatype is Datatype.BOOL:
        element = bool
    elif datatype in FLOATS:
        wide, letter = "<f8", "d"
        limit = LARGEST_FLOATS[datatype]
        element = Annotated[float, msgspec.Meta(ge=-limit, le=limit)]
    return _Numbers(NUMPY_DTYPES[datatype], np.dtype(wide), letter, element, msgspec.json.Decoder(list[element]).decode)


_NUMBERS = {datatype: _numbers(datatype) for datatype in NUMPY_DTYPES}

_texts = msgspec.json.Decoder(list[str]).decode
_anything = msgspec.json.Decoder().decode


class JsonTensorReader:
    """Reads the JSON `data` of tensors. One per thread: it owns a parser whose memory is used again.

    Args:
        max_bytes_element: The most bytes that one BYTES element may have.
    """

    def __init__(self, max_bytes_element: int = Limits().max_bytes_element) -> None:
        self._max_bytes_element = max_bytes_element
        self._parser = _new_parser()

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
        if datatype is _BYTES:
            texts = self._read_texts(source, shape, field)
            if len(texts) != count:
                raise _wrong_count(field, shape, count, len(texts))
            return TensorData(texts, source)
        numbers = _NUMBERS[datatype]
        values: np.ndarray[Any, Any] | None
        try:
            if len(source) > _LONG and self._parser is not None and datatype is not _BOOL:
                values = self._read_long(bytes(source), numbers, shape, count)
            else:
                values = np.array(numbers.decode(source), numbers.dtype)
        except _NOT_PLAIN:
            values = _read_less_plain(source, datatype, shape)
        if values is None:
            values = np.array(_read_slowly(source, datatype, shape, field), numbers.dtype)
        if values.size != count:
            raise _wrong_count(field, shape, count, values.size)
        return TensorData(values.reshape(shape), source)

    def _read_texts(self, source: msgspec.Raw, shape: list[int], field: str) -> list[str | None]:
        try:
            texts: list[Any] = _texts(source)
        except _NOT_PLAIN:
            texts = _read_slowly(source, _BYTES, shape, field)
        if len(source) > self._max_bytes_element:
            for index, text in enumerate(texts):
                if text is not None and (length := len(text.encode())) > self._max_bytes_element:
                    raise InferenceError(
                        f"{field}.data[{index}]: expected at most {self._max_bytes_element} bytes, got {length}"
                    )
        return texts

    def _read_long(self, source: bytes, numbers: _Numbers, shape: list[int], count: int) -> np.ndarray[Any, Any] | None:
        """Read by simdjson; return `None` where an integer does not fit its datatype, or the nesting the shape."""
        parser = self._parser if len(source) <= _KEPT else _new_parser()
        # The buffer is memory of its own, which the array keeps: the parser's next text does not touch it.
        values = np.frombuffer(parser.parse(source).as_buffer(of_type=numbers.letter), numbers.wide)
        lists = source.count(b"[")
        if lists != 1 and (values.size != count or not _is_nested_like(source, lists, shape)):
            return None
        if numbers.dtype == numbers.wide:
            return values
        if numbers.letter == "d":
            with np.errstate(over="raise"):
                narrow = values.astype(numbers.dtype)
            # numpy's own casts raise; that to bfloat16 is another's and overflows in silence.
            return None if narrow.dtype.kind == "V" and np.isinf(narrow).any() else narrow
        bounds = np.iinfo(numbers.dtype)
        if values.size and (values.min() < bounds.min or values.max() > bounds.max):
            return None
        return values.astype(numbers.dtype)


def _new_parser() -> Any:
    """Return a parser of simdjson, or `None` where it has no wheels for this Python: typed decoders do its work."""
    try:
        import simdjson
    except ImportError:
        return None
    return simdjson.Parser()


def _is_nested_like(source: bytes, lists: int, shape: list[int]) -> bool:
    """Say whether brackets and commas are those of a nested array; simdjson flattens whatever nesting there is.

    Args:
        source: The JSON of as many numbers as `shape` has.
        lists: How many lists it has.
        shape: The shape of the array.
    """
    expected_lists, rows = 0, 1
    for size in shape:
        expected_lists += rows
        rows *= size
    # Compared first, for what is built below is as large as the shape says, and that is the client's word.
    if rows == 0 or lists != expected_lists:
        return False
    expected = b"," * (shape[-1] - 1)
    for size in reversed([1, *shape[:-1]]):
        expected = b",".join([b"[" + expected + b"]"] * size)
    return source.translate(None, _NUMBER_CHARACTERS) == expected


def _read_less_plain(source: msgspec.Raw, datatype: Datatype, shape: list[int]) -> np.ndarray[Any, Any] | None:
    """Read numbers that are nested, or floats with `null` among them; return `None` where there is more to it."""
    for depth in (len(shape), 1) if len(shape) > 1 else (1,):
        try:
            values = np.array(_nested_decoder(datatype, depth)(source), NUMPY_DTYPES[datatype])
        except _NOT_PLAIN:
            continue
        if depth == 1 or values.shape == tuple(shape):
            return values
    return None


@cache
def _nested_decoder(datatype: Datatype, depth: int) -> Any:
    """Return a decoder of numbers that lie so many lists deep, among floats also `null`."""
    element = _NUMBERS[datatype].element
    nested: Any = element | None if datatype in FLOATS else element
    for _ in range(depth):
        nested = GenericAlias(list, (nested,))
    return msgspec.json.Decoder(nested).decode


def _read_slowly(source: msgspec.Raw, datatype: Datatype, shape: list[int], field: str) -> list[Any]:
    """Read any legal `data` into a flat list of elements that fit `datatype`, or say what is wrong."""
    try:
        data = _anything(source)
    except msgspec.ValidationError as error:
        raise InferenceError(validation_text(error, f"{field}.data")) from None
    except RecursionError:
        raise InferenceError(f"{field}.data: nested deeper than the {len(shape)} dimensions of its shape") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InferenceError(f"{field}.data: not valid JSON: {error}") from None
    if data is None:
        raise InferenceError(f"{field}.data: expected the elements, got null")
    return elements_of(data, datatype, shape, field)


def _wrong_count(field: str, shape: list[int], expected: int, count: int) -> InferenceError:
    return InferenceError(f"{field}.data: the shape {shape} takes {expected} elements, got {count}")
