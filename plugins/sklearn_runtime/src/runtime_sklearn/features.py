"""What a fitted model takes: how many features, under which names, and which of them are text.

It reads the fitted model only, and knows no request. Where scikit-learn does not record an answer, none is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

BYTES = "BYTES"
FLOAT = "FP64"


@dataclass(frozen=True)
class Column:
    """One feature.

    Attributes:
        datatype: The protocol's datatype; empty where the model does not say.
        example: A value that the model has seen, or one of the same kind.
    """

    datatype: str = ""
    example: Any = 0.0


NUMBER = Column(FLOAT)
UNKNOWN = Column()


@dataclass(frozen=True)
class Features:
    """The rows that a model takes.

    Attributes:
        names: The names of the features, for a model that was fitted on a DataFrame.
        columns: The features in the order of the fit; empty where their number is not known.
        is_flat: Whether a row is one value instead of a list of features: a text, or a label.
        has_free_rank: Whether the model takes arrays of any number of dimensions.
    """

    names: tuple[str, ...] | None
    columns: tuple[Column, ...]
    is_flat: bool = False
    has_free_rank: bool = False

    @property
    def datatype(self) -> str:
        """The datatype of one tensor that holds all features; empty where there is none or it is not known."""
        datatypes = {column.datatype for column in self.columns}
        if len(datatypes) == 1:
            return datatypes.pop()
        return FLOAT if datatypes and not datatypes & {"", BYTES} else ""

    def example(self) -> Any:
        """Return one row as the model takes it, or `None` where that is not known."""
        values = [column.example for column in self.columns]
        if not values:
            return None
        if self.names is not None:
            import pandas as pd

            return pd.DataFrame({name: [value] for name, value in zip(self.names, values, strict=True)})
        if all(column.datatype != BYTES for column in self.columns):
            row = np.array(values, np.float64)
        else:
            row = np.array(values, object)
        return row if self.is_flat else row.reshape(1, -1)


def features_of(model: Any) -> Features:
    """Read what a fitted model takes."""
    count = getattr(model, "n_features_in_", None)
    names = getattr(model, "feature_names_in_", None)
    if names is not None and len(names) == count:
        return Features(tuple(str(name) for name in names), tuple(_columns(model, count)))
    first = _first(model)
    tags = _tags(first)
    if tags is None:
        return Features(None, (UNKNOWN,) * (count or 0), has_free_rank=True)
    if not tags.input_tags.two_d_array and not tags.input_tags.dict:
        return Features(None, (_flat_column(first, tags),), is_flat=True)
    return Features(None, tuple(_columns(model, count)) if count else (), has_free_rank=tags.no_validation or not count)


def _first(estimator: Any) -> Any:
    """Return the step of a model that sees the rows first."""
    while True:
        if hasattr(estimator, "best_estimator_"):  # a search over parameters
            estimator = estimator.best_estimator_
        elif steps := _steps(estimator):
            estimator = steps[0]
        elif parts := getattr(estimator, "transformer_list", None):  # a FeatureUnion gives every part the same rows
            estimator = parts[0][1]
        else:
            return estimator


def _steps(estimator: Any) -> list[Any]:
    """Return the steps of a pipeline that do something; none for any other estimator."""
    steps = getattr(estimator, "steps", None)
    return [step for _, step in steps if step is not None and step != "passthrough"] if isinstance(steps, list) else []


def _tags(estimator: Any) -> Any:
    """Return what an estimator says it takes, or `None` for a model of other making."""
    from sklearn.utils import get_tags

    try:
        return get_tags(estimator)
    except Exception:  # a model of other making may fail in any way here
        return None


def _flat_column(estimator: Any, tags: Any) -> Column:
    if tags.input_tags.string:
        return Column(BYTES, "a")
    labels = getattr(estimator, "classes_", None)
    return _column_of(labels) if labels is not None else NUMBER


def _columns(estimator: Any, count: int, following: Column = UNKNOWN) -> list[Column]:
    """Return the features of an estimator.

    Args:
        estimator: The fitted estimator.
        count: How many features it takes.
        following: What the next step takes; so what a column that is passed through has to be.
    """
    if hasattr(estimator, "best_estimator_"):
        return _columns(estimator.best_estimator_, count, following)
    if steps := _steps(estimator):
        return _columns(steps[0], count, _only_kind(steps[1]) if len(steps) > 1 else following)
    if hasattr(estimator, "transformers_"):
        return _columns_of_table(estimator, count, following)
    if getattr(estimator, "is_categorical_", None) is not None:  # boosting on histograms, which encodes by itself
        encoder = getattr(estimator, "_preprocessor", None)
        return [UNKNOWN] * count if encoder is None else _columns_of_table(encoder, count, UNKNOWN)
    for fitted in ("categories_", "statistics_"):  # of encoders and of imputers, one entry per feature
        values = getattr(estimator, fitted, None)
        if values is not None and len(values) == count:
            return [_column_of(np.atleast_1d(value)) for value in values]
    if type(estimator).__name__ == "FunctionTransformer" and getattr(estimator, "func", None) is None:
        return [following] * count
    return [_only_kind(estimator)] * count


def _columns_of_table(table: Any, count: int, following: Column) -> list[Column]:
    """Return the features of a ColumnTransformer; the first transformer that takes a column decides."""
    columns: dict[int, Column] = {}
    places = getattr(table, "_transformer_to_input_indices", {})  # public attributes keep names, slices and masks apart
    for name, transformer, given in table.transformers_:
        indices = list(places.get(name, ()))
        if transformer == "drop":
            continue
        if isinstance(given, str) and len(indices) == 1:  # a single name: the transformer sees texts, not a table
            tags = _tags(_first(transformer))
            found = [_flat_column(_first(transformer), tags) if tags else UNKNOWN]
        else:
            found = _columns(transformer, len(indices), following)
        for index, column in zip(indices, found, strict=True):
            columns.setdefault(int(index), column)
    return [columns.get(index, UNKNOWN) for index in range(count)]


def _only_kind(estimator: Any) -> Column:
    """Return `NUMBER` for an estimator of scikit-learn itself that takes numbers only."""
    tags = _tags(estimator)
    if tags is None or not type(estimator).__module__.startswith("sklearn."):
        return UNKNOWN
    takes = tags.input_tags
    if not takes.two_d_array or takes.string or takes.categorical or tags.no_validation:
        return UNKNOWN
    if hasattr(estimator, "statistics_") or hasattr(estimator, "transformers_") or _has_parts(estimator):
        return UNKNOWN
    return NUMBER


def _has_parts(estimator: Any) -> bool:
    """Say whether an estimator is made of others, which decide what they take."""
    given = estimator.get_params(deep=False).values() if hasattr(estimator, "get_params") else ()
    parts = [value[0] if isinstance(value, list) and value else value for value in given]
    return any(hasattr(part, "fit") or isinstance(part, tuple) for part in parts)


def _column_of(values: Any) -> Column:
    """Return the column whose known values are these."""
    known = [value for value in np.asarray(values).reshape(-1).tolist() if value is not None and value == value]
    if not known:
        return UNKNOWN
    kinds = {type(value) for value in known}
    for kind, datatype in ((str, BYTES), (bool, "BOOL"), (int, "INT64")):
        if kinds == {kind}:
            return Column(datatype, known[0])
    return Column(FLOAT, known[0]) if kinds <= {int, float} else UNKNOWN
