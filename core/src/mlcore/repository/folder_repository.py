"""The model repository: a folder with a `model-settings.json` per model, at any depth."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mlcore.errors import SettingsError
from mlcore.registry import in_order
from mlcore.repository import ModelRepository, RepositoryEntry
from mlcore.repository.folder_walk import FolderWalk
from mlcore.settings_sources import MODEL_SETTINGS_FILE, model_settings, read_model_settings
from mlcore.settings_variables import Variables

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from mlcore.catalogue import Catalogue
    from mlcore.registry import Key
    from mlcore.runtimes import RuntimeOffer
    from mlcore.settings import ModelSettings


class FolderRepository(ModelRepository):
    """Finds the models under a folder. Looks again at each question, so edits count at once.

    `folder_walk.py` says which folders are looked into. Where no model is found, the environment alone may describe
    one.

    Args:
        root: The folder.
        runtimes: Which runtime can serve a file without settings.
    """

    def __init__(self, root: Path, runtimes: Catalogue[RuntimeOffer]) -> None:
        super().__init__(root)
        self._walk = FolderWalk(self.root)
        self._artefacts: dict[str, list[str]] = {}
        for offer in runtimes:
            for file in offer.value.artefacts:
                names = self._artefacts.setdefault(file, [])
                if "." not in offer.name and offer.name not in names:  # names with a dot are for folders from elsewhere
                    names.append(offer.name)
        self._lock = threading.Lock()
        self._read: dict[Path, tuple[object, ModelSettings | str]] = {}
        self._keys: dict[Path, Key] = {}

    def entries(self) -> list[RepositoryEntry]:
        """Return every model, broken ones too, ordered by name and version. May be called in any thread.

        Raises:
            SettingsError: The folder itself cannot be read.
        """
        with self._lock:
            found: dict[Key, RepositoryEntry] = {}
            places: dict[Key, Path] = {}
            # Those that are broken come last, and give way: their names are guesses.
            for folder, entry in sorted(self._scan(), key=lambda item: item[1].settings is None):
                shown = folder.relative_to(self.root)
                key = (entry.name, entry.version)
                if key not in found:
                    found[key] = entry
                    places[key] = shown
                elif entry.settings is None:
                    found[str(shown), None] = RepositoryEntry(str(shown), None, None, entry.problem, folder)
                else:
                    which = f"model '{entry.name}'" + (f", version '{entry.version}'" if entry.version else "")
                    problem = f"{which} is defined twice: in '{places[key]}' and in '{shown}'; rename one of them"
                    found[key] = RepositoryEntry(entry.name, entry.version, None, problem, folder)
            return [found[key] for key in sorted(found, key=lambda key: (key[0], in_order(key[1] or "")))]

    def _scan(self) -> Iterator[tuple[Path, RepositoryEntry]]:
        is_empty = True
        variables = Variables()
        for folder, files in self._walk.under(self.root):
            settings = self._settings_of(folder, files, variables)
            if settings is not None:
                is_empty = False
                yield folder, self._entry(folder, settings)
        if is_empty and variables.describe_a_model():
            yield self.root, self._entry(self.root, self._checked({}, self.root, "the environment", variables))

    def _entry(self, folder: Path, settings: ModelSettings | str) -> RepositoryEntry:
        if isinstance(settings, str):
            name, version = self._keys.get(folder, (folder.name, None))
            return RepositoryEntry(name, version, None, settings, folder)
        self._keys[folder] = (settings.name, settings.parameters.version)
        return RepositoryEntry(settings.name, settings.parameters.version, settings, "", folder)

    def _settings_of(
        self, folder: Path, files: dict[str, os.DirEntry[str]], variables: Variables
    ) -> ModelSettings | str | None:
        """Return the settings of the model in a folder, or what is wrong with them; `None` where there is no model."""
        shown = str(folder.relative_to(self.root) / MODEL_SETTINGS_FILE)
        if MODEL_SETTINGS_FILE in files:
            return self._read_again(folder, files[MODEL_SETTINGS_FILE], shown, variables)
        artefact = next((file for file in self._artefacts if file in files), None)
        if artefact is None or self._has_settings_above(folder):
            return None
        runtimes = self._artefacts[artefact]
        if len(runtimes) > 1:
            return f"{artefact} can be served by {' and '.join(runtimes)}; choose one as 'implementation' in {shown}"
        return self._checked({"implementation": runtimes[0]}, folder, shown, variables)

    def _read_again(
        self, folder: Path, file: os.DirEntry[str], shown: str, variables: Variables
    ) -> ModelSettings | str:
        """Read a settings file, unless neither it nor the environment has changed since the last time."""
        status = _status(file)
        stamp = status and (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, variables.of_models)
        known = self._read.get(folder)
        if known is not None and stamp is not None and known[0] == stamp:
            return known[1]
        try:
            settings: ModelSettings | str = read_model_settings(folder / file.name, shown, variables)
        except SettingsError as error:
            settings = str(error)
        self._read[folder] = (stamp, settings)
        return settings

    def _checked(self, values: dict[str, str], folder: Path, place: str, variables: Variables) -> ModelSettings | str:
        try:
            return model_settings(values, folder, place, variables)
        except SettingsError as error:
            return str(error)

    def _has_settings_above(self, folder: Path) -> bool:
        """Say whether a folder above belongs to a model: then its artefacts are that model's."""
        while folder != self.root:
            folder = folder.parent
            if (folder / MODEL_SETTINGS_FILE).is_file():
                return True
        return False


def _status(file: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:  # gone meanwhile, or a link to nowhere
        return None
