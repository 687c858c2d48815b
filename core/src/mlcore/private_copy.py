"""Private copies of artefacts: what a digest was taken of, and nobody else can change before or while it is read.

A copy is a folder of its own among the temporary files, and gone with its model. One that a killed process has left
behind is removed by the next that is made: its lock is free then.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from mlcore.digest import digest_of
from mlcore.errors import ModelLoadError

_PREFIX = "mlcore-checked-"


class PrivateCopy:
    """A copy of a file or folder, made of exactly what its digest covers.

    Args:
        place: The file or folder. Slow: it is read as a whole.

    Attributes:
        place: The copy, under the same name.
        digest: Its digest.

    Raises:
        ModelLoadError: It cannot be read or written, or has no digest.
    """

    def __init__(self, place: Path) -> None:
        try:
            self._folder, self._held = _made()
        except OSError as error:
            raise ModelLoadError(f"parameters.digest: no private copy can be made: {error.strerror}") from error
        try:
            self.place = self._folder / (place.resolve().name or "artefact")
            self.digest = digest_of(place, self.place)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._held)


def _made() -> tuple[Path, int]:
    """Make a folder that only this user can enter, and hold its lock."""
    _remove_orphans()
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with suppress(FileNotFoundError):  # another process has taken it for left behind
            held = _locked(folder)
            if held is not None and folder.exists():
                return folder, held
            if held is not None:
                os.close(held)


def _remove_orphans() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, or gone by now
            held = _locked(folder)
            if held is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)


def _locked(folder: Path) -> int | None:
    """Return a descriptor that holds the lock of a folder, or `None` if another one does."""
    import fcntl

    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held
