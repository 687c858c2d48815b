"""Import strings: `"package.module:Name"` to the object."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mlcore.errors import PluginError


def import_object(target: str, what: str) -> Any:
    """Import what `target` names.

    Args:
        target: `module:Name`.
        what: What it is for, for the error.

    Raises:
        PluginError: The module cannot be imported, or has no such name.
    """
    module_name, _, name = target.partition(":")
    try:
        return getattr(import_module(module_name), name)
    except Exception as error:  # a plugin's module may fail in any way
        raise PluginError(what, f"cannot import {target}: {type(error).__name__}: {error}") from error
