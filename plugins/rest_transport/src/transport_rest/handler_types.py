"""Which types are simple enough for a query or a path."""

from __future__ import annotations

import types
from collections.abc import Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

_SIMPLE = (str, int, float, bool, type(None), Decimal, date, time, timedelta, UUID, Enum)
_LISTS = (list, set, tuple, frozenset, Sequence)


def bare(annotation: Any) -> Any:
    """Return a type without what is said about it: `Annotated`, an alias, a new name, `Optional`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = annotation.__origin__
        elif hasattr(annotation, "__value__"):  # a `type` statement
            annotation = annotation.__value__
        elif get_origin(annotation) in (Union, types.UnionType):
            others = [kind for kind in get_args(annotation) if kind is not type(None)]
            if len(others) != 1:
                return annotation
            annotation = others[0]
        else:
            return annotation


def is_simple(annotation: Any) -> bool:
    """Say whether a value of this type is one piece of text."""
    kind = bare(annotation)
    if get_origin(kind) in (Union, types.UnionType):
        return all(is_simple(part) for part in get_args(kind))
    if get_origin(kind) is Literal or kind is Any:
        return True
    kind = getattr(kind, "__supertype__", kind)
    return isinstance(kind, type) and issubclass(kind, _SIMPLE)


def is_simple_list(annotation: Any) -> bool:
    """Say whether a value of this type is a list of pieces of text."""
    kind = bare(annotation)
    return get_origin(kind) in _LISTS and all(is_simple(part) for part in get_args(kind) if part is not ...)
