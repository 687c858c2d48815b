"""A plugin that is really installed, for the length of one test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class PluginInstaller:
    """Installs plugins from source into a folder that this process, and every process it starts, imports from.

    Args:
        folder: An empty folder.
        monkeypatch: Undoes what is done to the paths.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.syspath_prepend(str(folder))
        others = os.environ.get("PYTHONPATH")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *([others] if others else [])]))

    def __call__(self, distribution: str, source: str, version: str = "1.0") -> None:
        """Install a distribution whose one module is its entry point.

        Args:
            distribution: Its name; the module has the same, with underscores.
            source: The module's source.
            version: Its version.
        """
        module = distribution.replace("-", "_")
        (self.folder / f"{module}.py").write_text(source, encoding="utf-8")
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[mlcore]\n{module} = {module}\n")
