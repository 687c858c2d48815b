"""The model repository: a folder with a `model-settings.json` per model, at any depth."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import msgspec

from mlcore.errors import SettingsError
from mlcore.logs import get_logger
from mlcore.registry import in_order
from mlcore.settings import ModelSettings
from mlcore.settings_sources import MODEL_SETTINGS_FILE, model_settings, read_model_settings
from mlcore.settings_variables import model_variables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlcore.catalogue import Catalogue
    from mlcore.registry import Key
    from mlcore.runtimes import RuntimeOffer

log = get_logger("mlcore.repository")


class RepositoryEntry(msgspec.Struct, frozen=True):
    """One model that the repository holds.

    Attributes:
        name: The model's name; where the settings cannot be read, the one that it had, or the folder's.
        version: Its version.
        settings: Its settings; `None` where they are wrong.
        problem: What is wrong.
    """

    name: str
    version: str | None
    settings: ModelSettings | None
    problem: str = ""


class FolderRepository:
    """Finds the models under a folder. Looks again at each question, so edits count at once.

    Folders whose names begin with a dot, virtual environments, and links to folders are left out. Where no model is
    found, the environment alone may describe one.

    Args:
        root: The folder.
        runtimes: Which runtime can serve a file without settings.
    """

    def __init__(self, root: Path, runtimes: Catalogue[RuntimeOffer]) -> None:
        self.root = root.absolute()
        self._artefacts: dict[str, list[str]] = {}
        for offer in runtimes:
            for file in offer.value.artefacts:
                names = self._artefacts.setdefault(file, [])
                if "." not in offer.name and offer.name not in names:  # names with a dot are for folders from elsewhere
                    names.append(offer.name)
        self._lock = threading.Lock()
        self._read: dict[Path, tuple[object, ModelSettings | str]] = {}
        self._keys: dict[Path, Key] = {}
        self._warned: set[Path] = set()

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
                    found[str(shown), None] = RepositoryEntry(str(shown), None, None, entry.problem)
                else:
                    which = f"model '{entry.name}'" + (f", version '{entry.version}'" if entry.version else "")
                    problem = f"{which} is defined twice: in '{places[key]}' and in '{shown}'; rename one of them"
                    found[key] = RepositoryEntry(entry.name, entry.version, None, problem)
            return [found[key] for key in sorted(found, key=lambda key: (key[0], in_order(key[1] or "")))]

    def stamp(self, name: str) -> list[tuple[str, int, int]]:
        """Return path, time and size of each file in the folders of a model: another stamp, other files."""
        stamps = []
        for model in self.entries():
            for folder, files in self._walk(model.settings.folder) if model.name == name and model.settings else ():
                for file in files.values():
                    status = _status(file)
                    if status is not None:
                        stamps.append((str(folder / file.name), status.st_mtime_ns, status.st_size))
        return stamps

    def _scan(self) -> Iterator[tuple[Path, RepositoryEntry]]:
        is_empty = True
        for folder, files in self._walk(self.root):
            settings = self._settings_of(folder, files)
            if settings is not None:
                is_empty = False
                yield folder, self._entry(folder, settings)
        if is_empty and any(name == "MLCORE_MODEL_IMPLEMENTATION" for name, _ in model_variables()):
            yield self.root, self._entry(self.root, self._checked({}, self.root, "the environment"))

    def _entry(self, folder: Path, settings: ModelSettings | str) -> RepositoryEntry:
        if isinstance(settings, str):
            name, version = self._keys.get(folder, (folder.name, None))
            return RepositoryEntry(name, version, None, settings)
        self._keys[folder] = (settings.name, settings.parameters.version)
        return RepositoryEntry(settings.name, settings.parameters.version, settings)

    def _settings_of(self, folder: Path, files: dict[str, os.DirEntry[str]]) -> ModelSettings | str | None:
        """Return the settings of the model in a folder, or what is wrong with them; `None` where there is no model."""
        shown = str(folder.relative_to(self.root) / MODEL_SETTINGS_FILE)
        if MODEL_SETTINGS_FILE in files:
            return self._read_again(folder, files[MODEL_SETTINGS_FILE], shown)
        artefact = next((file for file in self._artefacts if file in files), None)
        if artefact is None or self._has_settings_above(folder):
            return None
        runtimes = self._artefacts[artefact]
        if len(runtimes) > 1:
            return f"{artefact} can be served by {' and '.join(runtimes)}; choose one as 'implementation' in {shown}"
        return self._checked({"implementation": runtimes[0]}, folder, shown)

    def _read_again(self, folder: Path, file: os.DirEntry[str], shown: str) -> ModelSettings | str:
        """Read a settings file, unless neither it nor the environment has changed since the last time."""
        status = _status(file)
        stamp = status and (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, model_variables())
        known = self._read.get(folder)
        if known is not None and stamp is not None and known[0] == stamp:
            return known[1]
        try:
            settings: ModelSettings | str = read_model_settings(folder / file.name, shown)
        except SettingsError as error:
            settings = str(error)
        self._read[folder] = (stamp, settings)
        return settings

    def _checked(self, values: dict[str, str], folder: Path, place: str) -> ModelSettings | str:
        try:
            return model_settings(values, folder, place)
        except SettingsError as error:
            return str(error)

    def _walk(self, top: Path | None) -> Iterator[tuple[Path, dict[str, os.DirEntry[str]]]]:
        """Go through the folders under one, each with its files, by name."""
        waiting = [top] if top is not None else []
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(folder) as scanned:
                    entries = sorted(scanned, key=lambda entry: entry.name, reverse=True)
            except OSError as error:
                if folder == self.root:
                    raise SettingsError(f"the model repository cannot be read: {error.strerror}") from error
                self._warn(folder, f"the folder cannot be read: {error.strerror}")
                continue
            files, folders = {}, []
            for entry in entries:
                if not _is_folder(entry):
                    files[entry.name] = entry
                elif not entry.name.startswith(".") and entry.name != "__pycache__":
                    folders.append(entry)
            if "pyvenv.cfg" in files:
                continue
            yield folder, files
            for entry in folders:
                if entry.is_symlink():
                    self._warn(folder / entry.name, "the folder is a link, and is left out; put the folder itself here")
                else:
                    waiting.append(folder / entry.name)

    def _has_settings_above(self, folder: Path) -> bool:
        """Say whether a folder above belongs to a model: then its artefacts are that model's."""
        while folder != self.root:
            folder = folder.parent
            if (folder / MODEL_SETTINGS_FILE).is_file():
                return True
        return False

    def _warn(self, place: Path, text: str) -> None:
        if place not in self._warned:
            self._warned.add(place)
            log.warning(text, folder=str(place.relative_to(self.root)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _status(file: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:  # gone meanwhile, or a link to nowhere
        return None
