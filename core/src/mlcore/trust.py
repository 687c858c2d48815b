"""What a model may be made of: which pickles, and files from where. Said by the server, kept where it is loaded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from mlcore.settings import Settings

Pickles = Literal["allow", "pinned", "deny"]
"""Which pickles may be read: all, those with a digest, none."""


class Trust(msgspec.Struct, frozen=True):
    """What a model may be made of, as plain data: it goes to workers. By default anything, as for a class in Python.

    Attributes:
        pickles: Which pickles may be read.
        since_ns: A pickle that was put there, or changed, since that time needs a digest even where all are allowed: so
            for what a client asks to load. `None` where the time does not matter.
        root: The served folder, which relative paths do not leave; empty where they may.
        folders: Where artefacts may be besides; `None` allows every absolute path.
        checked: The private copy whose digest was right; empty where there is no digest.
    """

    pickles: Pickles = "allow"
    since_ns: int | None = None
    root: str = ""
    folders: list[str] | None = None
    checked: str = ""


def trust_of(settings: Settings, root: Path | None, since_ns: int | None = None) -> Trust:
    """Return what the models of a server may be made of.

    Args:
        settings: The server's settings.
        root: The served folder; `None` where all models are given in Python.
        since_ns: Since when pickles need a digest, for a load that a client asks for.
    """
    real = "" if root is None else os.path.realpath(root)
    return Trust(settings.pickle, since_ns, real, settings.artefact_folders)
