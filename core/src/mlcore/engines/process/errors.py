"""Errors as plain data, so that one that a worker raised is the same error in the front."""

from __future__ import annotations

from typing import Any

from mlcore import errors
from mlcore.errors import InternalError, MLCoreError

# Those that are made of a message alone; the others travel as what they are besides.
_CLASSES: dict[str, type[MLCoreError]] = {
    name: kind
    for name in errors.__all__
    if (kind := getattr(errors, name)).__dict__.get("__init__") is None or kind is MLCoreError
}


def to_facts(error: BaseException) -> dict[str, Any]:
    """Return an error as plain data."""
    if not isinstance(error, MLCoreError):
        return {"class": "InternalError", "message": "the worker failed on this request"}
    return {
        "class": next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _CLASSES), "InternalError"),
        "message": str(error),
        "status_code": error.status_code,
        "retry_after_s": error.retry_after_s,
    }


def from_facts(facts: dict[str, Any]) -> MLCoreError:
    """Return the error that the data says."""
    kind = _CLASSES.get(facts["class"], InternalError)
    return kind(facts["message"], facts.get("status_code"), retry_after_s=facts.get("retry_after_s"))
