"""A fitted model as this runtime sees it: what it can be asked for, and its answers as named arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from mlcore.errors import InferenceError, ModelLoadError, OutputNotFoundError
from mlcore.logs import get_logger

from runtime_sklearn.features import features_of
from runtime_sklearn.quiet import caught_warnings
from runtime_sklearn.refusals import REFUSALS, refusal
from runtime_sklearn.results import array_of, columns_of, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime_sklearn.results import Array

log = get_logger("runtime_sklearn")

METHODS = ("predict", "transform", "predict_proba", "predict_log_proba", "decision_function", "score_samples")
"""What a model may be asked for; the first that it has answers where no output is asked for."""


class Fitted:
    """A fitted model.

    At load each method is tried on one row that is made up from what the model has learned, so that the answers'
    names, datatypes and shapes are known. A method that does not take that row stays undescribed, and works.

    Args:
        model: The model.
        default: The method that answers where no output is asked for; `None` lets the model decide.

    Attributes:
        features: The rows that the model takes.
        default: The method that answers where no output is asked for.
        examples: The answers to the row at load, by method: one array by output name, several for a DataFrame.

    Raises:
        ModelLoadError: The model is not fitted, has none of the methods, or lacks the default one.
    """

    def __init__(self, model: Any, default: str | None = None) -> None:
        _check_is_fitted(model)
        self.model = model
        self._methods = {name: method for name in METHODS if callable(method := getattr(model, name, None))}
        if default is None and not self._methods:
            raise ModelLoadError(
                f"the file holds a {type(model).__name__}, which has none of {', '.join(METHODS)}; save a fitted model "
                "that has one"
            )
        self.default = default or next(iter(self._methods))
        if self.default not in self._methods:
            method = None if self.default.startswith("_") else getattr(model, self.default, None)
            if not callable(method):
                raise ModelLoadError(
                    f"parameters.extra.predict_fn: the model has no method '{self.default}'; it has "
                    f"{', '.join(self._methods) or 'none that is known here'}"
                )
            self._methods[self.default] = method
        self.features = features_of(model)
        self.examples: dict[str, dict[str, Array]] = {}
        self._precision: dict[str, type[np.floating[Any]]] = {}
        self._try_out()
        self._column_owner = {
            column: method
            for method, arrays in reversed(self.examples.items())  # of two that have it, the first keeps it
            for column in arrays
            if column not in self._methods
        }

    def check(self, names: Sequence[str]) -> None:
        """Refuse outputs that the model does not have.

        Raises:
            OutputNotFoundError: There is no such output; the message names those there are.
        """
        for name in names:
            if name not in self._methods and name not in self._column_owner:
                known = ", ".join(f"'{known}'" for known in (*self._methods, *list(self._column_owner)[:16]))
                what = "nothing this model can do" if name in METHODS else "not an output of this model"
                raise OutputNotFoundError(f"outputs: '{name[:64]}' is {what}; it has {known}")

    def answer(self, rows: Any, names: Sequence[str] | None) -> dict[str, Array]:
        """Return the outputs, in the order of their names.

        Args:
            rows: The rows, as the model takes them. They stay as they are.
            names: Methods, or columns of a DataFrame that a method returns; `None` asks for the default.

        Raises:
            InferenceError: The model refuses the rows, or cannot give an output as one tensor.
        """
        if names is None:
            return self._results(self.default, rows)
        made: dict[str, dict[str, Array]] = {}
        outputs = {}
        for name in names:
            method = name if name in self._methods else self._column_owner[name]
            if method not in made:
                made[method] = self._results(method, rows)
            outputs[name] = made[method][name] if name in made[method] else _one_tensor(name, made[method])
        return outputs

    def _results(self, method: str, rows: Any) -> dict[str, Array]:
        if len(rows) == 0:
            if method not in self.examples:
                raise InferenceError("inputs: no rows; send at least one")
            return {name: array[:0] for name, array in self.examples[method].items()}
        try:
            # NaN and infinity go to the client as they are, without a line in the log for each.
            with np.errstate(all="ignore"):
                result = self._methods[method](_own(rows, self._precision.get(method)))
        except REFUSALS as error:
            text = refusal(error)
            if text is None:
                raise
            raise InferenceError(f"inputs: the model refuses these rows: {text}") from error
        return _named(method, result)

    def _try_out(self) -> None:
        """Find out what each method answers, and whether it takes floats of one precision only, as some do."""
        row = self.features.example()
        for name in METHODS if row is not None else ():  # a method of the user's choice may have side effects
            if name not in self._methods:
                continue
            in_double = self._tried(name, _own(row, np.float64))
            in_single = self._tried(name, _own(row, np.float32))
            answer = in_single if in_double is None else in_double
            if answer is not None and all(array.shape[:1] == (1,) for array in answer.values()):
                self.examples[name] = answer
            if (in_double is None) != (in_single is None):
                self._precision[name] = np.float32 if in_double is None else np.float64

    def _tried(self, method: str, row: Any) -> dict[str, Array] | None:
        try:
            with caught_warnings("ignore"), np.errstate(all="ignore"):
                return _named(method, self._methods[method](row))
        except Exception as error:  # the row is made up, and a model may refuse it in any way
            log.debug("a row that was made up is not answered", method=method, reason=str(error))
            return None


def _own(rows: Any, precision: type[np.floating[Any]] | None) -> Any:
    """Return a copy of rows, since some steps work in place, with floats of this precision, if one is given."""
    if precision is None:
        return rows.copy()
    if isinstance(rows, np.ndarray):
        return rows.astype(precision) if rows.dtype.kind == "f" else rows.copy()
    return rows.astype({name: precision for name, dtype in rows.dtypes.items() if dtype.kind == "f"})


def _check_is_fitted(model: Any) -> None:
    """Refuse an estimator of scikit-learn itself that has not been fitted; those of other making hide it too well."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    if type(model).__module__.startswith("sklearn.") and not hasattr(model, "steps"):
        try:
            check_is_fitted(model)
        except NotFittedError as error:
            raise ModelLoadError("the model in the file is not fitted; fit it, and save it again") from error


def _named(method: str, result: Any) -> dict[str, Array]:
    columns = columns_of(result)
    return {method: array_of(method, result)} if columns is None else columns


def _one_tensor(name: str, columns: dict[str, Array]) -> Array:
    array = joined(columns)
    if array is None:
        shown = ", ".join(f"'{column}'" for column in list(columns)[:16])
        raise InferenceError(
            f"outputs: '{name}' has columns of numbers and of text, which one tensor cannot hold; ask for {shown}, or "
            "leave outputs away"
        )
    return array
