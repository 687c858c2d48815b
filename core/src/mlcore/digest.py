"""Digests of artefacts: SHA-256 of a file, or of a folder, and optionally a copy made of exactly the bytes that count.

The digest of a folder is that of the list that `sha256sum` prints for its files, ordered by their names as bytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import nullcontext
from typing import TYPE_CHECKING, NoReturn

from mlcore.errors import ModelLoadError
from mlcore.settings_sources import MODEL_SETTINGS_FILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

PREFIX = "sha256:"

_CHUNK_BYTES = 1 << 20


def digest_of(place: Path, copy: Path | None = None) -> str:
    """Return the digest of a file or folder, `sha256:HEX`.

    Of a folder every file at any depth counts, but for: its own `model-settings.json`, which holds the digest; names
    that begin with a dot, and `__pycache__`; folders inside that are models of their own or virtual environments.
    Links, pipes and devices in it are refused.

    Args:
        place: The file or folder.
        copy: Where a copy is written meanwhile; nothing may be there.

    Raises:
        ModelLoadError: There is nothing to take a digest of, or something that can have none.
    """
    try:
        if place.is_dir():
            return PREFIX + _of_folder(place, copy)
        if not place.is_file():
            raise ModelLoadError("parameters.digest: parameters.uri names no file or folder here, so it has no digest")
        with place.open("rb") as source:
            return PREFIX + _of_file(source, copy)
    except OSError as error:
        raise ModelLoadError(f"parameters.digest: '{place.name}' cannot be read: {error.strerror}") from error


def _of_folder(place: Path, copy: Path | None) -> str:
    top = os.path.realpath(place)
    lines: dict[bytes, str] = {}
    for path, folders, names, here in os.fwalk(top, onerror=_raise):
        relative = os.path.relpath(path, top)
        is_top = relative == os.curdir
        if not is_top and (MODEL_SETTINGS_FILE in names or "pyvenv.cfg" in names):
            folders.clear()
            continue
        folders[:] = [name for name in folders if _counts(name)]
        for name in folders:
            _check_kind(name, here, stat.S_ISDIR)
        for name in names:
            if not _counts(name) or (is_top and name == MODEL_SETTINGS_FILE):
                continue
            _check_kind(name, here, stat.S_ISREG)
            shown = os.path.normpath(os.path.join(relative, name))
            # Whatever has the name by now: no link is followed, and no pipe waited for.
            with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here), "rb") as source:
                lines[os.fsencode(shown)] = _of_file(source, copy / shown if copy is not None else None)
    if not lines:
        raise ModelLoadError(f"parameters.digest: the folder '{place.name}' has no files, so it has no digest")
    listed = b"".join(b"%s  %s\n" % (lines[name].encode(), name) for name in sorted(lines))
    return hashlib.sha256(listed).hexdigest()


def _of_file(source: BinaryIO, copy: Path | None) -> str:
    digest = hashlib.sha256()
    if copy is not None:
        copy.parent.mkdir(parents=True, exist_ok=True)
    with nullcontext() if copy is None else copy.open("xb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            if target is not None:
                target.write(chunk)
    return digest.hexdigest()


def _counts(name: str) -> bool:
    return not name.startswith(".") and name != "__pycache__"


def _check_kind(name: str, folder: int, is_kind: Callable[[int], bool]) -> None:
    if not is_kind(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise ModelLoadError(f"parameters.digest: {name!r} is a link, a pipe or a device, which no digest can cover")
    if "\n" in name or "\\" in name:  # `sha256sum` would write them in another way
        raise ModelLoadError(f"parameters.digest: the name {name!r} has a line break or a backslash; rename it")


def _raise(error: OSError) -> NoReturn:
    raise error
