"""`implementation` strings: what a settings file names, to what is to be imported.

The syntax alone decides, so that a settings file can be read without knowing what is installed:
`"distribution#name"` is that name from that distribution; a registered name is that runtime; anything else with a
dot or a colon is an import path, first in the model's own folder; anything else is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlcore.errors import UnknownNameError

if TYPE_CHECKING:
    from mlcore.catalogue import Catalogue
    from mlcore.model import MLModel
    from mlcore.runtimes import RuntimeOffer


class Target(msgspec.Struct, frozen=True):
    """What is to be imported for a model: plain data, unless a class was given in Python.

    Attributes:
        module: The module's import name.
        name: The class in it.
        file: The module's file, where it stands in the repository.
        given: The class itself, where it was given in Python.
    """

    module: str
    name: str
    file: str | None = None
    given: type | None = None


def resolve(implementation: str | type[MLModel], runtimes: Catalogue[RuntimeOffer], folders: list[Path]) -> Target:
    """Find out what `implementation` names, without importing it.

    Args:
        implementation: The setting.
        runtimes: The registered names.
        folders: Where the user's own modules may be: the model's folder, then the repository's.

    Raises:
        UnknownNameError: Nothing has this name.
        AmbiguousNameError: Two distributions offer it.
    """
    if isinstance(implementation, type):
        return Target(implementation.__module__, implementation.__qualname__, given=implementation)
    if "#" in implementation or implementation in runtimes:
        offered = runtimes.get(implementation).value.runtime
        if isinstance(offered, type):
            return Target(offered.__module__, offered.__qualname__, given=offered)
        module, _, name = offered.partition(":")
        return Target(module, name)
    if ":" in implementation:
        module, _, name = implementation.partition(":")
    elif "." in implementation:
        module, _, name = implementation.rpartition(".")
    else:
        runtimes.get(implementation)  # raises, with what is known
        raise UnknownNameError(implementation)
    return Target(module, name, file=_file(module, folders))


def _file(module: str, folders: list[Path]) -> str | None:
    relative = Path(*module.split("."))
    for folder in folders:
        for candidate in (folder / relative.with_suffix(".py"), folder / relative / "__init__.py"):
            if candidate.is_file():
                return str(candidate)
    return None
