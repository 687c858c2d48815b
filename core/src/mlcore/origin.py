"""Where an installed distribution comes from, and whether its files are as they were installed. It imports nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import Distribution, PackagePath


@dataclass
class Origin:
    """Where a distribution comes from.

    Attributes:
        distribution: Its name.
        version: Its version.
        location: The folder that it is installed in.
        installer: The program that installed it, as far as it says so.
        url: Where it was installed from, if not from a package index.
        is_editable: Whether its code lies elsewhere, in a folder that somebody works in; it is not checked then.
        checked: How many files were compared with what the installer wrote down.
        different: Files that are not as they were installed, or are gone.
        problem: Why nothing could be compared.
    """

    distribution: str
    version: str
    location: str
    installer: str = ""
    url: str = ""
    is_editable: bool = False
    checked: int = 0
    different: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def is_as_installed(self) -> bool:
        """Whether every file could be compared, and is the same."""
        return not self.different and not self.problem

    @classmethod
    def of(cls, distribution: Distribution) -> Origin:
        """Find out where a distribution comes from, and compare its files with its RECORD."""
        origin = cls(
            distribution.metadata["Name"],
            distribution.version,
            str(distribution.locate_file("")),
            installer=(distribution.read_text("INSTALLER") or "").strip(),
        )
        direct = _direct(distribution)
        origin.url = str(direct.get("url", ""))
        origin.is_editable = bool(direct.get("dir_info", {}).get("editable"))
        hashed = [file for file in distribution.files or () if file.hash is not None]
        if not hashed:
            origin.problem = "no RECORD says what its files should be; install it again"
        for file in hashed:
            origin.checked += 1
            if not _is_same(file):
                origin.different.append(str(file))
        return origin


def _direct(distribution: Distribution) -> dict[str, Any]:
    try:
        read = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _is_same(file: PackagePath) -> bool:
    assert file.hash is not None, "only those with one are compared"
    try:
        digest = hashlib.new(file.hash.mode, Path(str(file.locate())).read_bytes()).digest()
    except (OSError, ValueError):  # gone, or hashed in a way that is not known here
        return False
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value
