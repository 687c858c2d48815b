"""Custom handlers, under the name that code written for MLServer imports them from."""

from __future__ import annotations

from mlcore.handlers import custom_handler

__all__ = ["custom_handler"]
