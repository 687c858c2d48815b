"""The files of an image: a copy of the folder that leaves out what no image needs, and never touches the folder."""

from __future__ import annotations

import os
import shutil
import stat
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IGNORE_FILE = ".dockerignore"
WHEELS = ".mlcore/wheels"

# Names that are left out wherever they stand.
_LEFT_OUT = (
    "__pycache__",
    "*.py[co]",
    ".env",
    ".git",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".venv",
    ".dockerignore",
    "Dockerfile",
)


def ignore_text(folder: Path, kept: tuple[str, ...] = ()) -> str:
    """Return a `.dockerignore`: what is always left out, then the folder's own lines, then what has to be there.

    Args:
        folder: The folder, whose own file may say more.
        kept: Paths that are needed, whatever the lines before say.
    """
    lines = [f"**/{name}" for name in _LEFT_OUT]
    own = folder / IGNORE_FILE
    if own.is_file():
        lines += ["", f"# the folder's own {IGNORE_FILE}", *own.read_text(encoding="utf-8").splitlines()]
    if kept:
        lines += ["", "# needed to install what the models need", *(f"!{path}" for path in kept)]
    return "\n".join(lines) + "\n"


def files_of(folder: Path) -> Iterator[Path]:
    """Return the files of a folder, at any depth, without those that are left out; links are followed once."""
    yield from _files(folder, (folder.resolve(),))


def _files(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if any(fnmatchcase(entry.name, name) for name in _LEFT_OUT):
            continue
        if entry.is_dir():
            place = entry.resolve()
            if place not in above and not (entry / "pyvenv.cfg").exists():  # no circles, no virtual environments
                yield from _files(entry, (*above, place))
        elif entry.is_file():
            yield entry


def copy_files(folder: Path, target: Path) -> None:
    """Bring the files of a folder to another place: readable by everybody, and without a second copy where it can be.

    Args:
        folder: The folder.
        target: An empty folder.
    """
    for file in files_of(folder):
        copy = target / file.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        _copy(file.resolve(), copy)


def _copy(file: Path, copy: Path) -> None:
    mode = file.stat().st_mode
    if mode & stat.S_IROTH:
        try:
            os.link(file, copy)
        except OSError:  # another file system
            pass
        else:
            return
    shutil.copy2(file, copy)
    copy.chmod(stat.S_IMODE(mode) | stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
