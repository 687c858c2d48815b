"""Where a model's artefact is: `parameters.uri`, or a well-known file name in the model's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.errors import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore.settings import ModelSettings


def find_artefact(settings: ModelSettings, names: Sequence[str]) -> Path:
    """Return the file or folder that a model is loaded from.

    `parameters.uri` is a path from the model's folder. Where it is absent, or names a folder, the first of the
    well-known file names in that folder is taken.

    Args:
        settings: The model's settings.
        names: Well-known file names, the preferred first.

    Raises:
        ModelLoadError: There is no such file.
    """
    folder = settings.folder or Path()
    uri = settings.parameters.uri
    place = folder if uri is None else folder / Path(uri).expanduser()
    if place.is_file():
        return place
    if not place.is_dir():
        raise ModelLoadError(f"parameters.uri: there is no file or folder '{uri}' (relative to the model's folder)")
    for name in names:
        if (place / name).is_file():
            return place / name
    where = "the model's folder" if uri is None else f"the folder '{uri}'"
    raise ModelLoadError(f"parameters.uri: {where} has none of {', '.join(names)}; name the file in parameters.uri")
