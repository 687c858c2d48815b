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
    if "#" in implementation or implementation in runtimes or not set(implementation) & {".", ":"}:
        offered = runtimes.get(implementation).value.runtime  # where there is none, it says what there is
        if isinstance(offered, type):
            return Target(offered.__module__, offered.__qualname__, given=offered)
        module, _, name = offered.partition(":")
        return Target(module, name)
    module, _, name = implementation.partition(":") if ":" in implementation else implementation.rpartition(".")
    if not all(part and part.isprintable() and not set(part) & set("/\\ :") for part in f"{module}.{name}".split(".")):
        raise UnknownNameError(
            f"'{implementation[:64]}' is no import path; write it as 'my_model.MyModel', for the class MyModel of "
            "my_model.py in the model's folder"
        )
    return Target(module, name, file=_file(module, folders))


def _file(module: str, folders: list[Path]) -> str | None:
    relative = Path(*module.split("."))
    for folder in folders:
        for candidate in (folder / relative / "__init__.py", folder / relative.with_suffix(".py")):
            if candidate.is_file():
                return str(candidate)
    return None
