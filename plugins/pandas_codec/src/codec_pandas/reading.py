"""From a tensor to a column of a DataFrame. Numbers stay arrays all the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd
from mlcore.codecs import Base64Codec, DatetimeCodec, NumpyCodec, StringCodec
from mlcore.codecs.string_codec import byte_elements, texts_of
from mlcore.errors import CodecError
from mlcore_protocol import Datatype, RequestInput, TensorData

from codec_pandas import marks
from codec_pandas.json_cells import JsonCellsCodec
from codec_pandas.moments import in_dtype, moments_of

if TYPE_CHECKING:
    from mlcore.codecs import InputCodec
    from mlcore.codecs.interface import Tensor

Column = Any
"""A column: a numpy array, or a `pandas.Series`, which has no types here."""

CODECS: dict[str, type[InputCodec]] = {
    codec.ContentType: codec for codec in (NumpyCodec, StringCodec, Base64Codec, DatetimeCodec, JsonCellsCodec)
}
"""The codecs whose tensors are read here, as columns, by content type."""


def read_column(tensor: Tensor, codec: type[InputCodec] | None) -> Column:
    """Return the column that a tensor holds.

    Args:
        tensor: The tensor.
        codec: How to read its elements; `None` takes them as they are: numbers, texts or bytes.

    Raises:
        CodecError: The tensor is no column, or does not fit its codec or its marks.
    """
    if codec is not None and codec not in CODECS.values():
        return _own_column(tensor, codec.decode_input(tensor))  # type: ignore[arg-type]  # either kind of tensor
    shape = tensor.shape
    if len(shape) != 1 and (len(shape) != 2 or shape[1] != 1):
        raise CodecError(f"'{tensor.name}': a column has the shape [N] or [N, 1], got {shape}; send a tensor for each")
    mark = _marked(tensor, marks.DTYPE)
    column = _read(tensor, codec, mark if isinstance(mark, str) else None)
    if len(column) != shape[0]:
        raise CodecError(f"'{tensor.name}': the shape {shape} does not fit its {len(column)} elements")
    return column


def _read(tensor: Tensor, codec: type[InputCodec] | None, mark: str | None) -> Column:
    label = f"'{tensor.name}'"
    if mark is not None and (mark == "category" or (mark.startswith("category[") and mark.endswith("]"))):
        inner = mark[len("category[") : -1] or None
        return _categorized(tensor, codec, inner, pd.Series(_read(tensor, codec, inner)))
    if tensor.datatype is not Datatype.BYTES and codec in (None, NumpyCodec):
        return _numbers(_array(tensor), mark, label)
    if codec is JsonCellsCodec:
        return _json_cells(JsonCellsCodec.read(tensor), mark, label)
    if codec is StringCodec:
        return _texts(_nulls(tensor, texts_of(tensor, "str")), mark)
    if codec is DatetimeCodec:
        texts = [text or None for text in texts_of(tensor, "datetime")]
        return in_dtype(moments_of(texts, label), mark)
    elements = _nulls(tensor, byte_elements(tensor, "base64" if codec is Base64Codec else "pd"))
    if codec is Base64Codec:
        return _objects(_from_base64(tensor, elements))
    if mark == "bytes":
        return _objects([element.encode() if isinstance(element, str) else element for element in elements])
    if any(isinstance(element, bytes) for element in elements):
        return _objects(elements)
    return _texts(elements, mark)


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = NumpyCodec.read(tensor).reshape(-1)
    return array.astype(np.float32) if array.dtype.kind == "V" else array  # pandas knows no bfloat16


def _numbers(array: np.ndarray[Any, Any], mark: str | None, label: str) -> Column:
    """Return numbers in the nullable dtype that a mark names; NaN is then a missing one."""
    dtype = marks.ARROW.get(mark or "", mark)
    if dtype not in marks.NULLABLE:
        return array
    return _in_arrow(_in_nullable(array, dtype, label), mark)


def _json_cells(cells: list[Any], mark: str | None, label: str) -> Column:
    dtype = marks.ARROW.get(mark or "", mark)
    if dtype in marks.NULLABLE:
        return _in_arrow(_in_nullable(cells, dtype, label), mark)
    if mark in marks.TEXTS and all(cell is None or isinstance(cell, str) for cell in cells):
        return _texts(cells, mark)
    return _objects(cells)


def _in_nullable(values: np.ndarray[Any, Any] | list[Any], dtype: str, label: str) -> Column:
    try:
        return pd.Series(pd.array(values, dtype))
    except (ValueError, TypeError, OverflowError, IndexError) as error:  # the last for cells that are lists
        raise CodecError(f"{label}: its elements do not fit its {marks.DTYPE}, {dtype}: {error}") from None


def _texts(texts: list[str | None], mark: str | None) -> Column:
    dtype = mark if mark in ("string", "object") else marks.text_dtype()
    column = pd.Series(texts, dtype=dtype)
    return _in_arrow(column, mark) if mark in marks.ARROW_TEXTS else column


def _in_arrow(column: pd.Series[Any], mark: str | None) -> Column:
    """Return a column as one that Arrow holds, if the mark says so and Arrow is there."""
    if mark not in marks.ARROW and mark not in marks.ARROW_TEXTS:
        return column
    try:
        import pyarrow
    except ImportError:
        return column
    return column.astype(pd.ArrowDtype(pyarrow.type_for_alias(mark.removesuffix("[pyarrow]"))))


def _categorized(tensor: Tensor, codec: type[InputCodec] | None, mark: str | None, values: pd.Series[Any]) -> Column:
    """Return values as categories: those that are listed, else those that there are."""
    listed = _marked(tensor, marks.CATEGORIES)
    is_ordered = _marked(tensor, marks.ORDERED) is True
    try:
        if listed is None:
            return pd.Series(pd.Categorical(values, ordered=is_ordered))
        categories = _category_list(tensor, codec, mark, orjson.loads(listed))
        if not categories.is_unique:
            raise ValueError("one is listed twice")
        codes = categories.get_indexer(pd.Index(values))
        column = pd.Series(pd.Categorical.from_codes(codes, categories, ordered=is_ordered))
    except (ValueError, TypeError) as error:  # also a list that is not JSON
        raise CodecError(f"'{tensor.name}': its {marks.CATEGORIES} do not fit: {error}") from None
    unlisted = np.flatnonzero((codes < 0) & values.notna().to_numpy())
    if unlisted.size:
        raise CodecError(f"'{tensor.name}'.data[{unlisted[0]}]: expected one of its {marks.CATEGORIES}")
    return column


def _category_list(tensor: Tensor, codec: type[InputCodec] | None, mark: str | None, elements: Any) -> Any:
    if not isinstance(elements, list):
        raise TypeError("expected a JSON list")
    if not elements:
        return pd.Index([], dtype=object)
    if all(isinstance(element, str) for element in elements):
        if codec is DatetimeCodec:
            return pd.Index(in_dtype(moments_of(elements, f"'{tensor.name}'.parameters.{marks.CATEGORIES}"), mark))
        return pd.Index(_texts(elements, mark))
    if all(isinstance(element, int | float) for element in elements):
        is_as_sent = tensor.datatype is not Datatype.BYTES and mark is None
        return pd.Index(np.array(elements, _array(tensor).dtype if is_as_sent else None))
    return pd.Index(pd.Series(elements, dtype=object))


def _marked(tensor: Tensor, mark: str) -> Any:
    return tensor.parameters.get(mark) if tensor.parameters else None


def _nulls(tensor: Tensor, elements: list[Any]) -> list[Any]:
    if _marked(tensor, marks.EMPTY_IS_NULL) is True:
        return [element or None for element in elements]
    return elements


def _from_base64(tensor: Tensor, elements: list[Any]) -> list[bytes | None]:
    present = [element for element in elements if element is not None]
    texts = RequestInput(name=tensor.name, shape=[len(present)], datatype=Datatype.BYTES, data=TensorData(present))
    decoded = iter(Base64Codec.read(texts))
    return [None if element is None else next(decoded) for element in elements]


def _own_column(tensor: Tensor, payload: Any) -> Column:
    """Return what another codec made of a tensor as a column: a value per row."""
    if isinstance(payload, np.ndarray):
        if payload.ndim == 1 or (payload.ndim == 2 and payload.shape[1] == 1):
            return payload.reshape(-1)
        payload = list(payload) if payload.ndim else [payload]
    if isinstance(payload, pd.Series):
        return payload
    if not isinstance(payload, list | tuple):
        raise CodecError(f"'{tensor.name}': its content type gives a {type(payload).__name__}, not a value per row")
    return pd.Series(list(payload))


def _objects(cells: list[Any]) -> pd.Series[Any]:
    return pd.Series(cells, dtype=object)
