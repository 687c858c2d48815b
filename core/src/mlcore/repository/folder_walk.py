"""The folders under another one, as far as they may hold models. It knows no settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mlcore.errors import SettingsError
from mlcore.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = get_logger("mlcore.repository")


class FolderWalk:
    """Goes through the folders of a repository.

    Folders whose names begin with a dot and virtual environments are left out. So are links to folders, for what they
    lead to is either found by itself, or is not in the repository; but for those that lead to a hidden folder in here:
    volumes of Kubernetes, and tools that check repositories out, exchange what is shown by such links.

    Args:
        root: The repository's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._warned: set[Path] = set()

    def under(self, top: Path, without: str = "") -> Iterator[tuple[Path, dict[str, os.DirEntry[str]]]]:
        """Go through the folders under one, and that one itself, each with its files, by name.

        Args:
            top: The folder to begin with.
            without: A folder below it that has a file of this name is left out, with all that is under it.

        Raises:
            SettingsError: The repository's folder itself cannot be read.
        """
        inside = os.path.realpath(self._root)
        shown: list[str] = []
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(folder) as scanned:
                    entries = sorted(scanned, key=lambda entry: entry.name, reverse=True)
            except OSError as error:
                if folder == self._root:
                    raise SettingsError(f"the model repository cannot be read: {error.strerror}") from error
                self._warn(folder, f"the folder cannot be read: {error.strerror}")
                continue
            files, folders = {}, []
            for entry in entries:
                if not _is_folder(entry):
                    files[entry.name] = entry
                elif not entry.name.startswith(".") and entry.name != "__pycache__":
                    folders.append(entry)
            if "pyvenv.cfg" in files or (without in files and folder != top):
                continue
            yield folder, files
            for entry in folders:
                place = folder / entry.name
                if not entry.is_symlink():
                    waiting.append(place)
                elif _shows(real := os.path.realpath(place), inside) and not _is_under(real, shown):
                    shown.append(real)
                    waiting.append(place)
                else:
                    self._warn(place, "the folder is a link, and is left out; put the folder itself here")

    def _warn(self, place: Path, text: str) -> None:
        if place not in self._warned:
            self._warned.add(place)
            shown = place.relative_to(self._root) if place.is_relative_to(self._root) else place
            log.warning(text, folder=str(shown))


def _shows(real: str, inside: str) -> bool:
    """Say whether a folder is in another one, but hidden there."""
    return _is_under(real, [inside]) and any(part.startswith(".") for part in real.removeprefix(inside).split(os.sep))


def _is_under(real: str, folders: list[str]) -> bool:
    return any(f"{real}{os.sep}".startswith(f"{folder}{os.sep}") for folder in folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False
