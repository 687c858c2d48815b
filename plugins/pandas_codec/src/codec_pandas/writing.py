"""From a column of a DataFrame to a tensor. Numbers are handed over as arrays, uncopied where pandas allows."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd
from mlcore.codecs import Base64Codec, DatetimeCodec, StringCodec
from mlcore.errors import InternalError
from mlcore_protocol import Datatype, Parameters, datatype_of
from mlcore_protocol.datatypes import NUMPY_DTYPES

from codec_pandas import marks
from codec_pandas.json_cells import JsonCellsCodec
from codec_pandas.moments import moment_texts

# Integers up to here are exact as FP64, which has a null in every format.
_EXACT = 2**53

# Longer lists of categories are not sent: a request's head is bounded, and a reader finds them in the column.
_MOST_CATEGORIES_BYTES = 16 * 1024


class Written(NamedTuple):
    """A column as a tensor of the shape (N, 1).

    Attributes:
        datatype: Its datatype.
        data: Its elements: an array of the shape (N, 1), or a flat list of `str`, `bytes` and `None`.
        parameters: Its content type and its marks.
    """

    datatype: Datatype
    data: Any
    parameters: Parameters


def write_column(name: str, column: pd.Series[Any], is_exact: bool) -> Written:
    """Return a column as a tensor.

    Args:
        name: The column's name, for the error.
        column: The column.
        is_exact: Whether a text that is missing and one that is empty have to stay apart in formats that have no null,
            at the price of a form that only codecs read well.

    Raises:
        InternalError: The protocol cannot carry such values.
    """
    dtype: Any = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf" and datatype_of(dtype) is not None:
        return _numbers(column.to_numpy(), None)
    if isinstance(dtype, pd.CategoricalDtype):
        return _category(name, column, is_exact)
    if isinstance(dtype, pd.StringDtype) or str(dtype) in marks.ARROW_TEXTS:
        return _strings(column, is_exact)
    if str(dtype) in marks.NULLABLE or str(dtype) in marks.ARROW:
        return _nullable(column)
    if dtype.kind == "M" and isinstance(dtype, np.dtype | pd.DatetimeTZDtype | pd.ArrowDtype):
        return _moments(column)
    if dtype.kind == "O" and isinstance(dtype, np.dtype):
        return _objects(name, column, is_exact)
    raise InternalError(f"column '{name}': {dtype} has no form in the protocol; convert it to numbers or text")


def _numbers(array: np.ndarray[Any, Any], mark: str | None) -> Written:
    datatype = datatype_of(array.dtype)
    assert datatype is not None
    return Written(datatype, array.astype(NUMPY_DTYPES[datatype], copy=False).reshape(-1, 1), _parameters(None, mark))


def _nullable(column: pd.Series[Any]) -> Written:
    """Write numbers some of which may be missing.

    Neither JSON nor any other format has a null among integers, but every format has NaN among floats.
    """
    dtype: Any = column.dtype
    mark = str(dtype)
    plain = dtype.numpy_dtype
    is_null = column.isna().to_numpy()
    if plain.kind == "f":
        return _numbers(column.to_numpy(plain, na_value=np.nan), mark)
    whole = column.to_numpy(plain, na_value=False if plain.kind == "b" else 0)
    if not is_null.any():
        return _numbers(whole, mark)
    if plain.kind == "b":
        words = np.where(whole, "true", "false")
    elif whole.max() <= _EXACT and (plain.kind == "u" or whole.min() >= -_EXACT):
        return _numbers(np.where(is_null, np.nan, whole.astype(np.float64)), mark)
    else:
        words = whole.astype(np.str_)
    return _texts(JsonCellsCodec.ContentType, np.where(is_null, "null", words).tolist(), mark)


def _moments(column: pd.Series[Any]) -> Written:
    dtype: Any = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        held = dtype.pyarrow_dtype
        unit = f"{held.unit}, {held.tz}" if held.tz else held.unit
        column = column.astype(f"datetime64[{unit}]")
    return _texts(DatetimeCodec.ContentType, moment_texts(column), str(column.dtype))


def _strings(column: pd.Series[Any], is_exact: bool) -> Written:
    """Write texts; a missing one is null."""
    is_null = column.isna().to_numpy()
    cells = _cells(column, is_null)
    mark = None if column.dtype == marks.text_dtype() else str(column.dtype)
    written = _texts(StringCodec.ContentType, cells, mark)
    if is_null.any():
        if "" not in cells:
            written.parameters[marks.EMPTY_IS_NULL] = True
        elif is_exact:
            texts = JsonCellsCodec.write(cells, use_bytes=False)[2]
            return _texts(JsonCellsCodec.ContentType, texts, str(column.dtype))
    return written


def _objects(name: str, column: pd.Series[Any], is_exact: bool) -> Written:
    """Write what may be anything: texts, bytes, or each cell as JSON."""
    kind = pd.api.types.infer_dtype(column.to_numpy(), skipna=True)
    if kind in ("string", "empty"):
        return _strings(column, is_exact)
    is_null = column.isna().to_numpy()
    cells = _cells(column, is_null)
    if kind == "bytes":
        return _bytes(cells, bool(is_null.any()))
    try:
        return _texts(JsonCellsCodec.ContentType, JsonCellsCodec.write(cells, use_bytes=False)[2], None)
    except InternalError as error:
        raise InternalError(f"column '{name}': {error}") from error


def _bytes(cells: list[bytes | None], has_null: bool) -> Written:
    """Write bytes: as they are where JSON can hold them, too; else, as text in base64."""
    try:
        for cell in cells:
            (cell or b"").decode()
        written = Written(Datatype.BYTES, cells, _parameters(None, "bytes"))
    except UnicodeDecodeError:
        texts = [None if cell is None else b64encode(cell).decode() for cell in cells]
        written = _texts(Base64Codec.ContentType, texts, None)
    if has_null and b"" not in cells:
        written.parameters[marks.EMPTY_IS_NULL] = True
    return written


def _category(name: str, column: pd.Series[Any], is_exact: bool) -> Written:
    """Write the values that the codes stand for, and the categories beside them."""
    dtype: Any = column.dtype
    categories = pd.Series(dtype.categories)
    listed = write_column(name, categories, is_exact)
    codes = column.cat.codes.to_numpy()
    if categories.dtype.kind in "iu" and (codes < 0).any():
        categories = categories.astype("UInt64" if categories.dtype.kind == "u" else "Int64")
    values = write_column(name, categories.reindex(codes), is_exact)
    inner = values.parameters.get(marks.DTYPE)
    values.parameters[marks.DTYPE] = f"category[{inner}]" if inner else "category"
    text = _category_list(listed)
    if text is not None and len(text) <= _MOST_CATEGORIES_BYTES:
        values.parameters[marks.CATEGORIES] = text
        if dtype.ordered:
            values.parameters[marks.ORDERED] = True
    return values


def _category_list(categories: Written) -> str | None:
    """Return categories as a JSON list; `None` if they have no plain form there."""
    elements, content_type = categories.data, categories.parameters.content_type
    if isinstance(elements, np.ndarray):
        elements = elements.ravel().tolist()
    elif content_type == JsonCellsCodec.ContentType:
        elements = [orjson.loads(element) for element in elements]
    elif content_type not in (StringCodec.ContentType, DatetimeCodec.ContentType):
        return None
    return orjson.dumps(elements).decode()


def _cells(column: pd.Series[Any], is_null: np.ndarray[Any, Any]) -> list[Any]:
    """Return the cells of a column, `None` for those that are missing."""
    cells: list[Any] = column.to_numpy(object).tolist()
    for index in np.flatnonzero(is_null).tolist():
        cells[index] = None
    return cells


def _texts(content_type: str, texts: list[str | None], mark: str | None) -> Written:
    return Written(Datatype.BYTES, texts, _parameters(content_type, mark))


def _parameters(content_type: str | None, mark: str | None) -> Parameters:
    parameters = Parameters()
    if content_type:
        parameters["content_type"] = content_type
    if mark:
        parameters[marks.DTYPE] = mark
    return parameters
