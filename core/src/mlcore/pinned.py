"""From a plan with a digest to one of a private copy whose digest was right: what is loaded is what was checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mlcore.artefacts import artefact_place
from mlcore.errors import ModelLoadError
from mlcore.private_copy import PrivateCopy

if TYPE_CHECKING:
    from mlcore.loading import Plan

_SHOWN = len("sha256:") + 12


def pinned(plan: Plan) -> tuple[Plan, PrivateCopy]:
    """Copy what the digest of a plan covers, and return the plan for the copy. Slow, for threads.

    That is the file or folder that `parameters.uri` names; without it the model's folder, its own modules too.

    Args:
        plan: A plan whose settings have a digest.

    Raises:
        ModelLoadError: It is the digest of something else.
    """
    settings = plan.settings
    place = artefact_place(settings)
    copy = PrivateCopy(place)
    expected = settings.parameters.digest or ""
    if copy.digest != expected:
        copy.close()
        raise ModelLoadError(
            f"parameters.digest: '{copy.place.name}' is not what was pinned: expected {expected[:_SHOWN]}..., got "
            f"{copy.digest[:_SHOWN]}...; if it was changed on purpose, run 'mlcore pin FOLDER'"
        )
    trusted = settings.trusting(replace(settings.trust, checked=str(copy.place)))
    target, folder = plan.target, settings.folder
    if folder is not None and os.path.realpath(place) == os.path.realpath(folder):
        trusted = trusted.located(copy.place)
        if target is not None and target.file is not None and Path(target.file).is_relative_to(folder):
            target = replace(target, file=str(copy.place / Path(target.file).relative_to(folder)))
    else:
        parameters = settings.parameters.model_copy(update={"uri": str(copy.place)})
        trusted = trusted.model_copy(update={"parameters": parameters})
    return replace(plan, settings=trusted, target=target), copy
