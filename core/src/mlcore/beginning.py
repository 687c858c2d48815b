"""Lets whoever handed a request over know when the model begins to work on it: until then another one may have it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

on_begin: ContextVar[Callable[[str], None] | None] = ContextVar("mlcore_on_begin", default=None)
"""Called with the request's id when its model begins, in whatever thread that is."""


def begins(request_id: str | None) -> None:
    """Say that the model begins to work on this context's request."""
    told = on_begin.get()
    if told is not None:
        told(request_id or "")
