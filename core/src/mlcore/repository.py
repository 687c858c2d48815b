"""The model repository: a folder with a `model-settings.json` per model, at any depth."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlcore.errors import SettingsError
from mlcore.settings import ModelSettings
from mlcore.settings_sources import MODEL_SETTINGS_FILE, read_model_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore.catalogue import Catalogue
    from mlcore.runtimes import RuntimeOffer


class RepositoryEntry(msgspec.Struct, frozen=True):
    """One model that the repository holds.

    Attributes:
        name: The model's name; the folder's, where the settings cannot be read.
        version: Its version.
        settings: Its settings; `None` where they are wrong.
        problem: What is wrong.
    """

    name: str
    version: str | None
    settings: ModelSettings | None
    problem: str = ""


class FolderRepository:
    """Finds the models under a folder. Reads it again at each question, so edits count at once.

    Args:
        root: The folder.
        runtimes: Which runtime can serve a file without settings.
    """

    def __init__(self, root: Path, runtimes: Catalogue[RuntimeOffer]) -> None:
        self.root = root
        self._artefacts = {
            file: offer.name for offer in runtimes for file in offer.value.artefacts if "." not in offer.name
        }

    def entries(self) -> list[RepositoryEntry]:
        """Return every model, broken ones too, ordered by name and version."""
        found: dict[tuple[str, str | None], RepositoryEntry] = {}
        places: dict[tuple[str, str | None], Path] = {}
        for folder, entry in self._scan():
            key = (entry.name, entry.version)
            if key in found:
                which = f"model '{entry.name}'" + (f", version '{entry.version}'" if entry.version else "")
                problem = (
                    f"{which} is defined twice: in {places[key]} and in {folder}; give one another name or version"
                )
                found[key] = RepositoryEntry(entry.name, entry.version, None, problem)
            else:
                found[key] = entry
                places[key] = folder
        return [found[key] for key in sorted(found, key=lambda key: (key[0], key[1] or ""))]

    def _scan(self) -> Iterator[tuple[Path, RepositoryEntry]]:
        for place, folders, files in os.walk(self.root):
            folders[:] = sorted(folder for folder in folders if not folder.startswith(".") and folder != "__pycache__")
            folder = Path(place)
            shown = folder.relative_to(self.root)
            if MODEL_SETTINGS_FILE in files:
                yield shown, _read(folder, str(shown / MODEL_SETTINGS_FILE))
            else:
                artefact = next((file for file in self._artefacts if file in files), None)
                if artefact is not None and not _has_settings_above(folder, self.root):
                    settings = ModelSettings(name=folder.resolve().name, implementation=self._artefacts[artefact])
                    yield shown, RepositoryEntry(settings.name, None, settings.located(folder))


def _read(folder: Path, shown: str) -> RepositoryEntry:
    try:
        settings = read_model_settings(folder / MODEL_SETTINGS_FILE, shown)
    except SettingsError as error:
        return RepositoryEntry(folder.resolve().name, None, None, str(error))
    return RepositoryEntry(settings.name, settings.parameters.version, settings)


def _has_settings_above(folder: Path, root: Path) -> bool:
    """Say whether a folder above belongs to a model: then its artefacts are that model's."""
    while folder != root:
        folder = folder.parent
        if (folder / MODEL_SETTINGS_FILE).is_file():
            return True
    return False
