"""From what a model returned to arrays that an output tensor can hold. It knows neither request nor response."""

from __future__ import annotations

from typing import Any

import numpy as np
from mlcore.errors import InternalError
from mlcore_protocol import datatype_of

Array = np.ndarray[Any, Any]


def columns_of(result: Any) -> dict[str, Array] | None:
    """Return the columns of a DataFrame, of pandas or polars; `None` for any other result."""
    if not hasattr(result, "columns") or not hasattr(result, "to_numpy"):
        return None
    names = [str(name) for name in result.columns]
    if len(set(names)) != len(names):
        return None
    return {name: array_of(name, result[given]) for name, given in zip(names, result.columns, strict=True)}


def array_of(name: str, result: Any) -> Array:
    """Return a result as one array.

    Shapes:
        A list of M arrays (N, K), the probabilities of M targets, becomes (N, M, K).

    Raises:
        InternalError: The protocol has no tensor for it.
    """
    if hasattr(result, "toarray"):  # a sparse matrix
        result = result.toarray()
    elif hasattr(result, "to_numpy"):
        result = result.to_numpy()
    elif isinstance(result, list) and result and all(isinstance(part, np.ndarray) for part in result):
        widths = {part.shape for part in result}
        if len(widths) > 1:
            raise InternalError(
                f"output '{name}': the model's targets differ in their number of classes, which no tensor can hold"
            )
        result = np.stack(result, axis=1)
    try:
        array = np.asarray(result)
    except ValueError as error:
        raise InternalError(f"output '{name}': the model returned rows of different lengths") from error
    if array.dtype.kind == "O":
        array = _plain(name, array)
    if datatype_of(array.dtype) is None:
        raise InternalError(f"output '{name}': the model returned {array.dtype}, which no datatype can carry")
    return array


def joined(columns: dict[str, Array]) -> Array | None:
    """Return columns as one array (N, K); `None` if some are numbers and some are text."""
    kinds = {column.dtype.kind in "OSU" for column in columns.values()}
    if len(kinds) != 1 or any(column.ndim != 1 for column in columns.values()):
        return None
    return np.column_stack(list(columns.values()))


def _plain(name: str, array: Array) -> Array:
    """Return an array of objects as one of numbers, or of texts, if that is what they are."""
    elements = array.reshape(-1).tolist()
    kinds = {type(element) for element in elements} - {type(None)}
    if not elements or (kinds and (kinds <= {str, np.str_} or kinds <= {bytes, np.bytes_})):
        return array
    if kinds and all(issubclass(kind, int | float | np.number | np.bool_) for kind in kinds):
        numbers = [np.nan if element is None else element for element in elements]
        if bool not in kinds or kinds == {bool}:
            return np.array(numbers).reshape(array.shape)
    raise InternalError(
        f"output '{name}': the model returned objects of several or unknown kinds "
        f"({', '.join(sorted(kind.__name__ for kind in kinds)) or 'nothing but None'}); let it return numbers or texts"
    )
