"""What a folder says that its models need: `environment.yml`, `requirements.txt` or `pyproject.toml`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlcore.errors import SettingsError
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONDA_FILES = ("environment.yml", "environment.yaml", "conda.yml", "conda.yaml")
_REQUIREMENTS = "requirements.txt"
_PROJECT = "pyproject.toml"

# `-r other.txt`, `--constraint=other.txt`, `-e folder`, `--find-links folder`
_OPTION = re.compile(r"(?:-r|-c|-e|-f|--requirement|--constraint|--editable|--find-links)[\s=]*(\S+)")
# The server that this one takes the place of, and its runtimes.
MLSERVER = r"mlserver([-_.]\w+)?\b"
_MLSERVER = re.compile(MLSERVER, re.IGNORECASE)


@dataclass(frozen=True)
class Dependencies:
    """What a folder says that its models need.

    Attributes:
        conda: The file of a conda environment, if there is one.
        requirements: The requirements file, if there is one.
        project: The `pyproject.toml` whose dependencies are to be installed, if there is one.
        files: What of the folder has to be there to install them, relative to it.
        names: The normalised names of the distributions that they name, as far as these lines say it.
        names_mlserver: Whether a line names MLServer, or a runtime of it.
    """

    conda: str = ""
    requirements: str = ""
    project: str = ""
    files: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    names_mlserver: bool = False


def read_dependencies(folder: Path) -> Dependencies:
    """Read what a folder says that its models need.

    Raises:
        SettingsError: A file names another one that is not there, or nothing that can be installed.
    """
    conda = next((name for name in _CONDA_FILES if (folder / name).is_file()), "")
    files = [conda] if conda else []
    if (folder / _REQUIREMENTS).is_file():
        lines: list[str] = []
        _gather(folder, _REQUIREMENTS, files, lines)
        found = frozenset(name for line in lines if (name := _name_of(line)))
        names_mlserver = any(_MLSERVER.match(line) for line in lines)
        return Dependencies(conda, _REQUIREMENTS, "", tuple(files), found, names_mlserver)
    if (folder / _PROJECT).is_file() and (listed := _project(folder / _PROJECT)):
        found = frozenset(name for line in listed if (name := _name_of(line)))
        names_mlserver = any(_MLSERVER.match(line) for line in listed)
        return Dependencies(conda, "", _PROJECT, (*files, _PROJECT), found, names_mlserver)
    return Dependencies(conda, files=tuple(files))


def _gather(folder: Path, name: str, files: list[str], lines: list[str]) -> None:
    """Add a requirements file, and what it names, to `files`, and its lines to `lines`."""
    files.append(name)
    for line in _lines(folder / name):
        option = _OPTION.match(line)
        place = option[1] if option else line.partition(";")[0].partition("#egg")[0].partition("[")[0].strip()
        if "://" in place or not (option or place.startswith(".") or (folder / place).is_file()):
            lines.append(line)
            continue
        # Pip reads files from where the file stands that names them, and packages from where it runs.
        of_file = option is not None and line.startswith(("-r", "-c", "--req", "--con"))
        path = (folder / name).parent / place if of_file else folder / place
        if not path.resolve().is_relative_to(folder.resolve()):
            raise SettingsError(f"{name}: '{line}' leads out of the folder, where an image has nothing; put it inside")
        if not path.exists():
            raise SettingsError(f"{name}: '{line}': there is no '{place}' in the folder")
        shown = path.resolve().relative_to(folder.resolve()).as_posix()
        if of_file and shown not in files:
            _gather(folder, shown, files, lines)
        elif shown not in files:
            files.append(shown)


def _lines(file: Path) -> Iterator[str]:
    text = file.read_text(encoding="utf-8-sig").replace("\\\n", " ")
    for line in text.splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if line:
            yield line


def _project(file: Path) -> list[str]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SettingsError(f"{file.name}: {error}") from None
    project = content.get("project", {})
    if "dependencies" in project.get("dynamic", ()) or (
        "project" not in content and "poetry" in content.get("tool", ())
    ):
        raise SettingsError(
            f"{file.name}: it has no list [project] dependencies, which is what is installed of it; add one, or write "
            "a requirements.txt, which is then taken instead"
        )
    return [str(line) for line in project.get("dependencies", ())]


def _name_of(line: str) -> str:
    try:
        return canonicalize_name(Requirement(re.split(r"\s--hash", line)[0]).name)
    except InvalidRequirement:
        return ""  # an address or an option
