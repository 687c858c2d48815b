"""A base image out of the files of this machine: its Python, its libraries, a shell, and nothing of mlcore."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import cache_from_source
from io import BytesIO
from pathlib import Path

from command_build.wheels import closed

LIBRARIES = "/opt/libraries"
# The programs that a Dockerfile of mlcore calls besides Python.
PROGRAMS = ("sh", "grep", "sed")
# What the models of the tests need; what is installed here from a folder is what an image is to install itself.
WANTED = ("mlcore-server", "spacy", "en_core_web_md")
LEFT_OUT = ("site-packages", "dist-packages", "test", "idlelib", "tkinter", "config-")
SOURCES = (".pyc", ".pyi", ".pyx", ".pxd", ".c", ".cpp", ".h", ".hpp", ".a")


def write_base(podman: list[str], variables: dict[str, str], name: str) -> None:
    """Import the base image under a name."""
    changes = ["PATH=/usr/local/bin:/usr/bin:/bin", f"PYTHONPATH={LIBRARIES}", "PIP_NO_INDEX=1"]
    command = [*podman, "import", *(f"--change=ENV {change}" for change in changes), "-", name]
    importing = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert importing.stdin is not None
    with tarfile.open(fileobj=importing.stdin, mode="w|", dereference=True) as archive:
        _write(archive)
    importing.stdin.close()
    assert importing.wait(300) == 0


def _write(archive: tarfile.TarFile) -> None:
    files: dict[str, Path] = {}
    python = os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]  # what a venv was made from
    for place in {python, os.path.realpath(python)}:
        files[place] = Path(place)
    for program in PROGRAMS:
        files[f"/bin/{program}"] = Path(str(shutil.which(program)))
    stdlib = Path(sysconfig.get_path("stdlib"))
    for folder in (stdlib, Path("/usr/share/python-wheels")):  # the second has what Debian's venv installs
        for file in folder.rglob("*") if folder.is_dir() else ():
            if file.is_file() and not file.relative_to(folder).parts[0].startswith(LEFT_OUT):
                files[str(file)] = file
    for library in closed(WANTED, _release):
        for path in library.files or ():
            if not {"..", "tests"} & {*path.parts} and path.suffix not in SOURCES:
                file = Path(str(path.locate()))
                files[f"{LIBRARIES}/{path}"] = file
                if path.suffix == ".py" and (cache := Path(cache_from_source(str(file)))).exists():
                    files[f"{LIBRARIES}/{path.parent}/__pycache__/{cache.name}"] = cache  # or each start compiles it
    for library_file in _shared(files):
        files.setdefault(library_file, Path(library_file))
    for name, file in sorted(files.items()):
        archive.add(file, name)
    _add(archive, "/usr/local/bin/python3", tarfile.SYMTYPE, link=python)
    _add(archive, "/tmp", tarfile.DIRTYPE, mode=0o1777)
    _add(archive, "/etc/passwd", tarfile.REGTYPE, "root:x:0:0:root:/root:/bin/sh\n")


def _release(name: str) -> Distribution | None:
    """Return what is installed here; of what was installed from a folder only what it requires counts."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    if found.read_text("direct_url.json") and "editable" in str(found.read_text("direct_url.json")):
        return _Requirements(found)
    return found


class _Requirements(Distribution):
    """What a distribution requires, without its files."""

    def __init__(self, of: Distribution) -> None:
        self._of = of

    def read_text(self, filename: str) -> str | None:
        return self._of.read_text(filename) if filename == "METADATA" else None

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        return Path(str(self._of.locate_file(path)))


def _shared(files: dict[str, Path]) -> set[str]:
    """Return the shared libraries of the system that programs and extensions are linked to."""
    linked = [str(file) for name, file in files.items() if ".so" in Path(name).name or "/bin/" in name]
    lines = subprocess.run(["ldd", *linked], capture_output=True, text=True, check=False).stdout.splitlines()
    found = {part for line in lines for part in line.split() if part.startswith("/") and not part.endswith(":")}
    known = {str(file) for file in files.values()}
    return {path for path in found if path not in known and sysconfig.get_path("platlib") not in path}


def _add(archive: tarfile.TarFile, name: str, kind: bytes, text: str = "", link: str = "", mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, link, mode, len(text)
    archive.addfile(info, BytesIO(text.encode()))
