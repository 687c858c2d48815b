"""The models that there are, loaded or not: those given in Python, and those of the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.errors import MLCoreError, SettingsError
from mlcore.registry import Key, called
from mlcore.repository import RepositoryEntry

if TYPE_CHECKING:
    from pathlib import Path

    from mlcore.repository import ModelRepository
    from mlcore.settings import ModelSettings

Found = dict[Key, RepositoryEntry]
"""The models that there are: their settings, or what is wrong with them."""


class Inventory:
    """Says which models there are. Reads the repository at each question; may be asked in any thread.

    Args:
        repository: Where models are found; `None` if they are all given in Python.
        given: The models given in Python.

    Raises:
        SettingsError: A model given in Python has no name, or that of another one.
    """

    def __init__(self, repository: ModelRepository | None, given: list[ModelSettings]) -> None:
        self.repository = repository
        self._given: Found = {}
        for index, model in enumerate(given):
            key = (model.name, model.parameters.version)
            if not model.name:
                raise SettingsError(f"models[{index}]: name: missing; a model that is given in Python needs one")
            if key in self._given:
                raise SettingsError(f"models[{index}]: {called(key)} is there already; rename one of them")
            self._given[key] = RepositoryEntry(*key, model)

    @property
    def root(self) -> Path | None:
        """The folder with the modules that models may share."""
        return self.repository.root if self.repository is not None else None

    def found(self, name: str | None = None) -> Found:
        """Return the models that there are now.

        Args:
            name: The one that is wanted, which a repository may hold without listing it.

        Raises:
            SettingsError: The repository cannot be read.
        """
        found = dict(self._given)
        if self.repository is None:
            return found
        try:
            entries = self.repository.entries()
            wanted = self.repository.find(name) if name is not None else None
        except MLCoreError:
            raise
        except Exception as error:  # a user's repository may raise anything
            raise _unreadable(error) from error
        if wanted is not None:
            entries = [entry for entry in entries if entry.name != name] + wanted
        for entry in entries:
            key = (entry.name, entry.version)
            if key in self._given:
                problem = f"{called(key)} is given in Python, and is in the repository too; rename one of them"
                entry = RepositoryEntry(*key, None, problem)
            found[key] = entry
        return found

    def stamps(self, name: str) -> dict[Key, object]:
        """Return what each version of a model consists of now: another stamp, another model."""
        return {key: self.stamp(entry) for key, entry in self.found(name).items() if key[0] == name}

    def stamp(self, entry: RepositoryEntry) -> object:
        """Return what one model consists of now."""
        if self.repository is None or (entry.name, entry.version) in self._given:
            return "given in Python"
        try:
            return self.repository.stamp(entry)
        except MLCoreError:
            raise
        except Exception as error:  # a user's repository may raise anything
            raise _unreadable(error) from error


def _unreadable(error: Exception) -> SettingsError:
    return SettingsError(f"the model repository cannot be read: {type(error).__name__}: {error}")
