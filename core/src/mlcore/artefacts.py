"""Where a model's artefact is, `parameters.uri` or a well-known name in its folder, and whether it may be read.

Every runtime finds its files here, and opens here what it unpickles, so that what the operator allows holds for all.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.errors import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from mlcore.settings import ModelSettings
    from mlcore.trust import Trust

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def find_artefact(settings: ModelSettings, names: Sequence[str]) -> Path:
    """Return the file that a model is loaded from.

    `parameters.uri` is a path from the model's folder. Where it is absent, or names a folder, the first of the
    well-known file names in that folder is taken.

    Args:
        settings: The model's settings.
        names: Well-known file names, the preferred first.

    Raises:
        ModelLoadError: There is no such file, or it may not be there.
    """
    uri = settings.parameters.uri
    place = artefact_place(settings)
    if place.is_file():
        return place
    if not place.is_dir():
        raise ModelLoadError(f"parameters.uri: there is no file or folder '{uri}' (relative to the model's folder)")
    for name in names:
        if (place / name).is_file():
            check_contained(settings, place / name, name)
            return place / name
    where = "the model's folder" if uri is None else f"the folder '{uri}'"
    raise ModelLoadError(f"parameters.uri: {where} has none of {', '.join(names)}; name the file in parameters.uri")


def artefact_place(settings: ModelSettings) -> Path:
    """Return the file or folder that `parameters.uri` names, the model's own folder without it. It may not be there.

    Args:
        settings: The model's settings.

    Raises:
        ModelLoadError: It is an address, which nobody fetches, or leads out of where artefacts may be.
    """
    folder = settings.folder or Path()
    uri = settings.parameters.uri
    if uri is None:
        return folder
    place = folder / Path(uri).expanduser()
    scheme = _SCHEME.match(uri)
    if scheme and not place.exists():  # the rest may hold a password
        raise ModelLoadError(
            f"parameters.uri: there is no file or folder of this name, and addresses ('{scheme[0]}...') are not "
            "fetched; download the files, and give their path"
        )
    check_contained(settings, place, uri)
    return place


def names_a_path(uri: str) -> bool:
    """Say whether a URI can only mean a file: it is no address, no package name and no other word."""
    return "://" not in uri and ("/" in uri or uri.startswith(("~", ".")) or "." in Path(uri).name)


def open_pickle(settings: ModelSettings, file: Path) -> BinaryIO:
    """Open a file to unpickle it, if that is permitted. To read it runs code that the file brings.

    What is checked is the opened file, whatever has its name meanwhile.

    Args:
        settings: The model's settings.
        file: The file.

    Raises:
        ModelLoadError: The server's setting `pickle` does not permit it.
        OSError: It cannot be opened.
    """
    opened = file.open("rb")
    try:
        _check_permitted(settings.trust, file, opened)
    except BaseException:
        opened.close()
        raise
    return opened


def check_contained(settings: ModelSettings, place: Path, shown: str) -> None:
    """Check that a path stays where artefacts may be, through all its links.

    An absolute path says openly where it leads, and whoever writes a settings file may do that, unless the setting
    artefact_folders lists the places; `..` and links could be overlooked.

    Args:
        settings: The model's settings.
        place: The path.
        shown: How messages call it.

    Raises:
        ModelLoadError: It leads elsewhere.
    """
    trust = settings.trust
    if not trust.root or settings.folder is None:
        return
    if trust.folders is None and Path(settings.parameters.uri or "").expanduser().is_absolute():
        return
    real = os.path.realpath(place)
    places = [trust.root, str(settings.folder), trust.checked, *(trust.folders or ())]
    if not any(_is_under(real, folder) for folder in places if folder):
        raise ModelLoadError(
            f"parameters.uri: '{shown}' leads out of the served folder; put the files there, or name their folder in "
            "the server's setting artefact_folders"
        )


def _check_permitted(trust: Trust, file: Path, opened: BinaryIO) -> None:
    refused = f"{file.name}: pickle not permitted:"
    if trust.pickles == "deny":
        raise ModelLoadError(
            f"{refused} set the server's setting pickle to pinned or allow, or save the model in another format"
        )
    if trust.checked and _is_under(os.path.realpath(file), trust.checked):
        return
    pin = "set parameters.digest, which 'mlcore pin FOLDER' does"
    if trust.pickles == "pinned":
        raise ModelLoadError(f"{refused} {pin}; the server's setting pickle is pinned")
    if trust.since_ns is not None and os.fstat(opened.fileno()).st_ctime_ns >= trust.since_ns:
        raise ModelLoadError(
            f"{refused} {pin}; the file came, or was changed, after the server's start, and a client asked for it (the "
            "setting watch takes such files without being asked)"
        )


def _is_under(real: str, folder: str) -> bool:
    return Path(real).is_relative_to(os.path.realpath(Path(folder).expanduser()))
