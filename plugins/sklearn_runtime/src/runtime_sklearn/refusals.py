"""Whether an error is a model's refusal of the rows it was given, or a failure of the model itself."""

from __future__ import annotations

# Where scikit-learn checks what it is given. Elsewhere in it, and in code of the user's, an error is a failure.
_CHECKS = frozenset(
    {
        "sklearn.compose._column_transformer",
        "sklearn.feature_extraction.text",
        "sklearn.impute._base",
        "sklearn.isotonic",
        "sklearn.naive_bayes",  # a category that was not in the fit is an index out of bounds
        "sklearn.preprocessing._data",
        "sklearn.preprocessing._discretization",
        "sklearn.preprocessing._encoders",
        "sklearn.preprocessing._label",
        "sklearn.utils._array_api",
        "sklearn.utils._encode",
        "sklearn.utils.validation",
    }
)
REFUSALS = (ValueError, TypeError, IndexError)
"""The errors that may be refusals."""

_LONGEST = 256
_BELOW = frozenset({"numpy", "pandas", "polars", "scipy"})


def refusal(error: Exception) -> str | None:
    """Return what the model said, in one line, if it refused the rows; `None` if it failed.

    The place where the error was raised decides, below which only the array libraries may be: a check that
    scikit-learn makes on its input refuses, the rest of it and code of the user's fails.
    """
    from sklearn.exceptions import NotFittedError

    if not isinstance(error, REFUSALS) or isinstance(error, NotFittedError):
        return None
    modules = []
    trace = error.__traceback__
    while trace is not None:
        modules.append(str(trace.tb_frame.f_globals.get("__name__", "")))
        trace = trace.tb_next
    raised_in = next((name for name in reversed(modules) if name.partition(".")[0] not in _BELOW), "")
    return next(iter(str(error).splitlines()), "")[:_LONGEST] if raised_in in _CHECKS else None
