"""What a plugin says of a runtime that it offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlcore.model import MLModel


@dataclass(frozen=True)
class RuntimeOffer:
    """A runtime, and the files that it can serve without any settings.

    Attributes:
        runtime: The `MLModel` class, or its import string `module:Class`.
        artefacts: File names, such as `model.joblib`. A folder of the repository that has one of them and no
            `model-settings.json` is served by this runtime, under the folder's name.
    """

    runtime: type[MLModel] | str
    artefacts: tuple[str, ...] = ()
