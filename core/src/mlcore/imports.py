"""From what a plugin offers to the object: import strings, `"package.module:Name"`, and classes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlcore.errors import MLCoreError, PluginError

if TYPE_CHECKING:
    from mlcore.catalogue import Offer


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
    except (Exception, SystemExit) as error:  # a plugin's module may fail in any way
        raise PluginError(what, f"cannot import {target}: {type(error).__name__}: {error}") from error


def made_of(offer: Offer[Any], kind: str, *arguments: Any, base: type = object) -> Any:
    """Import what a plugin offers, and make one.

    Args:
        offer: A class, or its import string.
        kind: What is offered, for the error.
        arguments: What the class takes.
        base: What the class has to subclass.

    Raises:
        PluginError: It cannot be imported, is no such class, or fails.
    """
    what = f"{kind} '{offer.name}' of {offer.distribution}"
    made = import_object(offer.value, what) if isinstance(offer.value, str) else offer.value
    if base is not object and not (isinstance(made, type) and issubclass(made, base)):
        raise PluginError(what, f"it has to be a class that subclasses {base.__module__}.{base.__qualname__}")
    try:
        return made(*arguments)
    except MLCoreError:
        raise
    except Exception as error:  # a plugin's constructor may fail in any way
        raise PluginError(what, f"it cannot be made: {type(error).__name__}: {error}") from error
