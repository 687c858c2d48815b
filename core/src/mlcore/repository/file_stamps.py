"""What the files of a model are: something to compare, by which an edit is noticed. It knows no settings."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.settings_sources import MODEL_SETTINGS_FILE

if TYPE_CHECKING:
    from mlcore.repository.folder_walk import FolderWalk

# A file up to this size counts by its content, so that a copy with other times is the same: whoever exchanges a whole
# folder, as volumes of Kubernetes do, means only some of its files. A larger one counts by size and time.
_SMALL_BYTES = 64 * 1024

# A file that was changed less than this ago may be changed again without another time.
_CLOCK_NS = 100_000_000

_LEFT_OUT = ("~", ".swp", ".tmp", ".part", ".pyc")

Status = tuple[int, int, int, int]


class FileStamps:
    """Finds out what the files under a folder are. May be used in several threads.

    Args:
        walk: Goes through the folders.
    """

    def __init__(self, walk: FolderWalk) -> None:
        self._walk = walk
        self._lock = threading.Lock()
        self._contents: dict[str, tuple[Status, object]] = {}

    def of(self, folder: Path | None, uri: str | None = None) -> tuple[object, ...]:
        """Return the folder, and name and content of each file that belongs to the model in it.

        Hidden files, those that are being written under another name, and models of their own further down are none
        of them.

        Args:
            folder: The model's folder, if it has one.
            uri: Its artefact, which may be elsewhere.
        """
        with self._lock:
            stamps = self._under(folder) if folder is not None else []
            place = _place(folder, uri)
            if place is not None:
                stamps += self._under(place) if place.is_dir() else [(str(place), self._content(str(place)))]
            return (str(folder), *stamps)

    def _under(self, top: Path) -> list[tuple[str, object]]:
        return [
            (str(folder.relative_to(top) / name), self._content(file.path))
            for folder, files in self._walk.under(top, MODEL_SETTINGS_FILE)
            for name, file in sorted(files.items())
            if not name.startswith(".") and not name.endswith(_LEFT_OUT)
        ]

    def _content(self, path: str) -> object:
        try:
            found = os.stat(path)
            status = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
            known = self._contents.get(path)
            if known is None or known[0] != status:
                content: object = status[0], status[2]
                if found.st_size <= _SMALL_BYTES and stat.S_ISREG(found.st_mode):
                    content = hashlib.blake2b(Path(path).read_bytes(), digest_size=16).digest()
                known = status, content
                if time.time_ns() - status[1] > _CLOCK_NS:
                    self._contents[path] = known
        except OSError:  # gone meanwhile, or a link to nowhere
            self._contents.pop(path, None)
            return None
        return known[1]


def _place(folder: Path | None, uri: str | None) -> Path | None:
    """Return where an artefact is that is not in the model's folder; `None` if it is, or is no file at all."""
    if not uri or "://" in uri:
        return None
    place = Path(os.path.normpath((folder or Path()) / Path(uri).expanduser()))
    return None if not place.is_absolute() or (folder is not None and place.is_relative_to(folder)) else place
