"""A plugin that is really installed, for the length of one test."""

from __future__ import annotations

import importlib
import os
import sys
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
        self._modules: list[str] = []
        monkeypatch.syspath_prepend(str(folder))
        others = os.environ.get("PYTHONPATH")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *([others] if others else [])]))

    def __call__(self, distribution: str, source: str, version: str = "1.0", entry_points: str = "") -> None:
        """Install a distribution whose one module is its entry point.

        Args:
            distribution: Its name; the module has the same, with underscores.
            source: The module's source.
            version: Its version.
            entry_points: The lines of its group of entry points, where one that names the module is not wanted.
        """
        module = distribution.replace("-", "_")
        self._modules.append(module)
        (self.folder / f"{module}.py").write_text(source, encoding="utf-8")
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[mlcore]\n{entry_points or f'{module} = {module}'}\n")
        importlib.invalidate_caches()  # what was looked up before may hide what is new

    def forget(self) -> None:
        """Forget the modules, so that the next test may install others of the same names."""
        for name in list(sys.modules):
            if name.partition(".")[0] in self._modules:
                del sys.modules[name]
