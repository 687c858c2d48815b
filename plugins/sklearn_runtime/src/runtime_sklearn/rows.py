"""From a request to the rows that a model is called with: an array, a list of values, or a DataFrame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from mlcore.codecs import NumpyCodec
from mlcore.codecs.string_codec import byte_elements
from mlcore.errors import InferenceError, InputNotFoundError
from mlcore_protocol import Datatype, TensorData

from runtime_sklearn.features import BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcore import MLModel
    from mlcore_protocol import InferenceRequest, RequestInput

    from runtime_sklearn.features import Column, Features

Array = np.ndarray[Any, Any]

_SHOWN = 16


def rows_of(model: MLModel, request: InferenceRequest, features: Features) -> Any:
    """Return the rows of a request as the model takes them.

    The request's content type decides, then that of the settings, then each tensor's own. Without any, one tensor
    holds all features, or for a model that was fitted on a DataFrame one tensor each, by name.

    Shapes:
        one tensor: (N, F), N rows of F features; (N) or (N, 1) where a row is one value
        a tensor per feature: (N) or (N, 1)

    Raises:
        InferenceError: The request does not hold such rows.
    """
    decoded = model.decode_request(request)
    if decoded is not request:
        return _decoded_rows(decoded, features)
    if not request.inputs:
        raise InputNotFoundError(f"inputs: expected {_expected(features)}, got none")
    if features.names is not None and not _holds_all_features(request.inputs, features):
        return _table(model, request.inputs, features.names, features.columns)
    if len(request.inputs) > 1:
        raise InferenceError(
            f"inputs: expected {_expected(features)}, got {_quoted(tensor.name for tensor in request.inputs)}; "
            "a tensor per feature is for models that were fitted on a DataFrame"
        )
    tensor = request.inputs[0]
    return _rows(np.asarray(_values(model, tensor)).reshape(tensor.shape), f"'{tensor.name}'", features)


def _decoded_rows(decoded: Any, features: Features) -> Any:
    """Return the rows that a codec for whole requests made."""
    if hasattr(decoded, "columns"):
        if features.names is not None:
            _check_names([str(name) for name in decoded.columns], features.names)
            return _plain_table(decoded[list(features.names)], features.columns)
        if not features.columns:
            return decoded
        decoded = decoded.to_numpy()
    return _rows(
        _plain(decoded if isinstance(decoded, np.ndarray) else _objects(decoded), "inputs"), "inputs", features
    )


def _holds_all_features(inputs: list[RequestInput], features: Features) -> bool:
    """Say whether the only tensor stands for a whole row, and not for the column whose name it may have."""
    if len(inputs) != 1:
        return False
    shape, count = inputs[0].shape, len(features.columns)
    return (len(shape) == 2 and shape[1] == count) or count == 1 or inputs[0].name not in (features.names or ())


def _rows(array: Array, label: str, features: Features) -> Any:
    count = len(features.columns)
    if features.is_flat:
        if array.ndim != 1 and (array.ndim != 2 or array.shape[1] != 1):
            raise InferenceError(f"{label}: expected {_expected(features)}, got the shape {list(array.shape)}")
        array = array.reshape(-1)
    elif array.ndim == 1 and count == 1:
        array = array.reshape(-1, 1)
    elif array.ndim == 0 or (count and array.ndim != 2 and (array.ndim == 1 or not features.has_free_rank)):
        one_row = f"; one row is [1, {count}]" if array.shape == (count,) else ""
        raise InferenceError(f"{label}: expected {_expected(features)}, got the shape {list(array.shape)}{one_row}")
    elif count and array.ndim == 2 and array.shape[1] != count:
        raise InferenceError(
            f"{label}: expected {count} features in each row, got {array.shape[1]} (the shape {list(array.shape)})"
            + (f"; the features are {_quoted(features.names)}" if features.names else "")
        )
    is_text = _is_text(array)
    for index, column in enumerate(features.columns):
        which = f"'{features.names[index]}'" if features.names else f"feature {index}"
        _check_kind(is_text, column, f"{label}, {which}")
    return array if features.names is None else _frame(array, features.names)


def _table(model: MLModel, inputs: list[RequestInput], names: tuple[str, ...], columns: tuple[Column, ...]) -> Any:
    """Return a DataFrame with the columns of the fit, in its order."""
    import pandas as pd

    given = {tensor.name: tensor for tensor in inputs}
    _check_names(list(given), names)
    rows: dict[str, Any] = {}
    for name, column in zip(names, columns, strict=True):
        shape = given[name].shape
        if len(shape) != 1 and (len(shape) != 2 or shape[1] != 1):
            raise InferenceError(f"'{name}': expected the shape [N] or [N, 1], a value for each row, got {shape}")
        values = _values(model, given[name])
        _check_kind(_is_text(values), column, f"'{name}'")
        rows[name] = values.reshape(-1) if isinstance(values, np.ndarray) else values
    lengths = {name: len(values) for name, values in rows.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"'{name}' has {length}" for name, length in list(lengths.items())[:_SHOWN])
        raise InferenceError(f"inputs: expected as many rows in each, but {shown}")
    dtypes = {values.dtype if isinstance(values, np.ndarray) else None for values in rows.values()}
    if len(dtypes) == 1 and dtypes != {None}:  # one block of memory: faster here, and in scikit-learn's checks
        return _frame(np.column_stack(list(rows.values())), names)
    return pd.DataFrame(
        {name: pd.Series(values, dtype=object) if _is_text(values) else values for name, values in rows.items()}
    )


def _plain_table(table: Any, columns: tuple[Column, ...]) -> Any:
    """Return a DataFrame of a codec as those that are made here: texts as objects, NaN for whatever is missing."""
    import pandas as pd

    plain = {}
    for (name, values), column in zip(table.items(), columns, strict=True):
        kind = values.dtype.kind
        is_text = kind == "O" and _is_text(values.to_numpy())  # numbers that may be missing are objects there, too
        _check_kind(is_text, column, f"'{name}'")
        if is_text and not isinstance(values.dtype, pd.CategoricalDtype):
            texts = _plain(values.to_numpy(object, na_value=np.nan), f"'{name}'")
            plain[name] = pd.Series(texts, index=table.index, dtype=object)
        elif kind in "biu" and values.hasnans:
            plain[name] = values.to_numpy(np.float64, na_value=np.nan)
    return table.assign(**plain) if plain else table


def _frame(array: Array, names: tuple[str, ...]) -> Any:
    import pandas as pd

    # Text stays in columns of objects: pandas' own columns of text are not the same in all its versions.
    return pd.DataFrame(array, columns=list(names), dtype=object if _is_text(array) else None)


def _values(model: MLModel, tensor: RequestInput) -> Any:
    """Return the elements of a tensor, an array of its shape; a list where a content type made other objects."""
    decoded = model.decode(tensor)
    if isinstance(decoded, list) and decoded and not isinstance(decoded[0], str | bytes):
        return decoded
    label = f"'{tensor.name}'"
    if tensor.datatype is not Datatype.BYTES:
        return _plain(decoded if isinstance(decoded, np.ndarray) else NumpyCodec.decode_input(tensor), label)
    elements = byte_elements(tensor, "str") if isinstance(decoded, TensorData) else np.ravel(decoded).tolist()
    if len(elements) != math.prod(tensor.shape):
        raise InferenceError(f"{label}: the shape {tensor.shape} does not fit its {len(elements)} elements")
    return _plain(_objects(elements), label).reshape(tensor.shape)


def _plain(array: Array, label: str) -> Array:
    """Return an array as scikit-learn knows it: texts as objects, bfloat16 as float32."""
    if array.dtype.kind == "V":
        return array.astype(np.float32)
    if not _is_text(array):
        return array
    return _objects([_text(element, label) for element in array.reshape(-1).tolist()]).reshape(array.shape)


def _objects(elements: list[Any]) -> Array:
    array = np.empty(len(elements), object)
    array[:] = elements
    return array


def _text(element: Any, label: str) -> Any:
    if element is None:
        return math.nan  # what pandas reads where a text is missing
    try:
        return element.decode() if isinstance(element, bytes) else element
    except UnicodeDecodeError:
        raise InferenceError(f"{label}: holds bytes that are not UTF-8; send texts as UTF-8") from None


def _check_names(given: list[str], names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in given]
    extra = [name for name in given if name not in names]
    if missing or extra:
        parts = [f"{_quoted(missing)} missing"] if missing else []
        parts += [f"{_quoted(extra)} not of this model"] if extra else []
        raise InputNotFoundError(f"inputs: expected one for each of {_quoted(names)}; {', '.join(parts)}")


def _check_kind(is_text: bool, column: Column, label: str) -> None:
    """Refuse texts for numbers and the reverse; scikit-learn would read a text such as "1" as a number."""
    if column.datatype and is_text != (column.datatype == BYTES):
        expected, came = ("text", "numbers") if column.datatype == BYTES else ("numbers", "text")
        raise InferenceError(f"{label}: expected {expected} ({column.datatype}), got {came}")


def _is_text(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind in "OSU"


def _expected(features: Features) -> str:
    if features.names is not None:
        return f"a tensor for each of {_quoted(features.names)}, or one of the shape [N, {len(features.names)}]"
    if features.is_flat:
        return "one tensor of the shape [N] or [N, 1]"
    return f"one tensor of the shape [N, {len(features.columns) or 'F'}]"


def _quoted(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(f"'{name[:64]}'" for name in names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
