"""Wheels for an image: of distributions that are installed here from a folder, or out of a folder of wheels.

What is installed from a folder, a clone of a repository for one, may not have been released as it is here. So the
image gets a wheel of exactly that folder.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, PathDistribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse
from urllib.request import url2pathname

from mlcore.errors import MLCoreError, SettingsError
from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from packaging.version import Version

_SHOWN_LINES = 20


def build_local(names: Iterable[str], target: Path) -> list[Path]:
    """Build wheels of the distributions that are installed here from a folder, and of what they require.

    Args:
        names: The distributions, whether installed here or not.
        target: Where the wheels go.

    Raises:
        MLCoreError: One cannot be built; the message has the last lines of pip.
    """
    folders = [folder for found in closed(names, _installed_from_folder) if (folder := _folder_of(found)) is not None]
    for isolated in (False, True):
        if chosen := [folder for folder in folders if _needs_isolation(folder) == isolated]:
            _build(chosen, target, [] if isolated else ["--no-build-isolation"])
    return sorted(target.glob("*.whl"))


def pick(names: Iterable[str], folder: Path) -> list[Path]:
    """Return the wheels in a folder that are of these distributions, or of what they require.

    Raises:
        SettingsError: There are no wheels, or something that is called one and is none.
    """
    files = _wheels_in(folder)

    def found(name: str) -> Distribution | None:
        file = files.get(name)
        return None if file is None else _WheelDistribution(file)

    return sorted(files[canonicalize_name(wheel.name)] for wheel in closed(names, found))


def closed(names: Iterable[str], find: Callable[[str], Distribution | None]) -> list[Distribution]:
    """Return distributions and all that they require, as far as these can be found.

    Args:
        names: The distributions to begin with.
        find: Returns the distribution of a normalised name, or `None`.
    """
    found: dict[str, Distribution] = {}
    waiting = [Requirement(name) for name in names]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        which = find(key[0])
        if which is None:
            continue
        found[key[0]] = which
        for line in which.requires or ():
            requirement = Requirement(line)
            extras = ("", *wanted.extras)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(requirement)
    return [found[name] for name in sorted(found)]


def _installed_from_folder(name: str) -> Distribution | None:
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        return None
    return None if _folder_of(installed) is None else installed


def _folder_of(installed: Distribution) -> Path | None:
    source = installed.read_text("direct_url.json")
    address = urlparse(json.loads(source)["url"]) if source else None
    if address is None or address.scheme != "file":
        return None
    folder = Path(url2pathname(address.path))
    return folder if folder.is_dir() else None


def _build(folders: Sequence[Path], target: Path, options: list[str]) -> None:
    if importlib.util.find_spec("pip") is None:
        raise MLCoreError(
            "wheels of what is installed here from a folder need pip, which this Python has not; run "
            f"'{sys.executable} -m ensurepip', or give wheels with --wheels"
        )
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, *options, "--wheel-dir", str(target), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # pip of this Python
    if done.returncode:
        raise MLCoreError("\n".join(["the wheels cannot be built:", *done.stderr.splitlines()[-_SHOWN_LINES:]]))


def _needs_isolation(folder: Path) -> bool:
    """Say whether the tools that build a folder are not installed here, so that pip has to fetch them."""
    file = folder / "pyproject.toml"
    settings = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    for line in settings.get("build-system", {}).get("requires", ("setuptools",)):
        requirement = Requirement(line)
        try:
            if not requirement.specifier.contains(distribution(requirement.name).version, prereleases=True):
                return True
        except PackageNotFoundError:
            return True
    return False


def _wheels_in(folder: Path) -> dict[str, Path]:
    """Return the wheels in a folder by the name of their distribution; of two versions, the newer one."""
    newest: dict[str, tuple[Version, Path]] = {}
    for file in sorted(folder.glob("*.whl")):
        try:
            name, version, _, _ = parse_wheel_filename(file.name)
        except InvalidWheelFilename:
            raise SettingsError(f"'{file}' is not the name of a wheel; build it anew, or take it away") from None
        if name not in newest or version >= newest[name][0]:
            newest[str(name)] = (version, file)
    if not newest:
        raise SettingsError(f"there are no wheels in '{folder}'; build some: pip wheel --no-deps -w {folder} ...")
    return {name: file for name, (_, file) in newest.items()}


class _WheelDistribution(PathDistribution):
    """What a wheel says of itself, without installing it."""

    def __init__(self, file: Path) -> None:
        try:
            with zipfile.ZipFile(file) as archive:
                info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        except (zipfile.BadZipFile, StopIteration):
            raise SettingsError(f"'{file}' is no wheel; build it anew, or take it away") from None
        super().__init__(zipfile.Path(file, info.removesuffix("METADATA")))
