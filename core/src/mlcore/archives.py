"""Archives of environments, unpacked with the suspicion that an archive deserves: as a whole and in bounds, or not."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from mlcore.errors import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LARGEST_BYTES = 64 * 2**30
# The most that an archive may hold for each of its own bytes, beyond what is never too much. Environments have 3 to 5.
_LARGEST_RATIO = 100
_NEVER_TOO_MUCH_BYTES = 256 * 2**20
_MOST_ENTRIES = 500_000
_LONGEST_NAME = 1024
# tarfile reads the headers of an entry in one piece, however large they say that they are.
_LARGEST_PIECE_BYTES = 4 * 2**20

_READERS: list[tuple[bytes, Callable[[BinaryIO], Any]]] = [
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ", lzma.LZMAFile),
]


class _RefusedError(Exception):
    """An archive holds what no archive of an environment has to hold."""


def unpack_once(tarball: Path, directory: Path, mend: Callable[[Path], None]) -> Path:
    """Unpack an archive, unless it was before, and return the folder.

    Its name is the archive's SHA-256, so a new archive gets a new folder. Links inside are kept, as conda
    environments have them; everything that could touch a file outside is refused. Of several who want the same
    archive at once, one unpacks it.

    Args:
        tarball: The archive.
        directory: Where such folders are.
        mend: Does what is left to do to the folder, before it has its name.

    Raises:
        ModelLoadError: It cannot be read, is too large, or an entry of it is absolute, leads outside, or is a device.
    """
    try:
        with tarball.open("rb") as file:
            name = hashlib.file_digest(file, "sha256").hexdigest()
            folder = directory / name
            if not folder.is_dir():
                directory.mkdir(parents=True, exist_ok=True)
                with _turn(directory, name):
                    if not folder.is_dir():  # whoever had the turn before wanted the same
                        file.seek(0)
                        _unpack(file, folder, mend)
    except _RefusedError as error:
        raise ModelLoadError(f"environment_tarball: '{tarball}' is refused: {error}") from error
    except (OSError, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ModelLoadError(f"environment_tarball: '{tarball}' cannot be unpacked: {error}") from error
    return folder


@contextmanager
def _turn(directory: Path, name: str) -> Iterator[None]:
    """Wait until no other process or thread unpacks this archive, and remove what a killed one has left."""
    import fcntl

    lock = directory / f".{name}.lock"
    while True:
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if not _is_still(held.fileno(), lock):  # whoever had the turn before has removed it
                continue
            try:
                for left in directory.glob(f".{name}-*"):
                    shutil.rmtree(left, ignore_errors=True)
                yield
            finally:
                lock.unlink(missing_ok=True)
            return


def _is_still(descriptor: int, file: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), file.stat())
    return False


def _unpack(file: BinaryIO, folder: Path, mend: Callable[[Path], None]) -> None:
    """Unpack beside the folder, then give it its name at once: it is there as a whole or not at all."""
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        # Bounded here, and not by the sizes that its entries claim.
        bounded = _Bounded(file)
        with tarfile.open(fileobj=bounded, mode="r:") as archive:
            for number, member in enumerate(archive, 1):
                if number > _MOST_ENTRIES:
                    raise _RefusedError(f"it holds more than {_MOST_ENTRIES} entries")
                _check(member, made)
                archive.extract(member, made, filter="data")
        bounded.check_end()
        mend(made)
        made.chmod(stat.S_IRWXU)
        made.rename(folder)
    except tarfile.FilterError as error:
        raise _RefusedError(str(error)) from error
    finally:
        if made.exists():
            shutil.rmtree(made, ignore_errors=True)


class _Bounded(io.RawIOBase):
    """What an archive holds, decompressed as it is read, and no more of it than there may be."""

    def __init__(self, file: BinaryIO) -> None:
        size = os.fstat(file.fileno()).st_size
        self._most = min(_LARGEST_BYTES, max(_NEVER_TOO_MUCH_BYTES, _LARGEST_RATIO * size))
        begin = file.read(6)
        file.seek(0)
        self._last = b""
        self._file = next((reader(file) for magic, reader in _READERS if begin.startswith(magic)), file)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_PIECE_BYTES:
            raise _RefusedError(f"an entry has a header of more than {_LARGEST_PIECE_BYTES} bytes")
        content: bytes = self._file.read(size)
        self._check(self.tell())
        self._last = content
        return content

    def check_end(self) -> None:
        """Check that what was read last is the mark of the end, and what follows it whole: checksums come there.

        tarfile takes an archive that was cut between two entries, or has a header that is none, for one that ends.

        Raises:
            EOFError: There is no such mark.
        """
        if self._last != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it ends, or is damaged, before its mark of the end")
        while self.read(_LARGEST_PIECE_BYTES):
            pass

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        self._check(position)
        return int(self._file.seek(position, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def _check(self, position: int) -> None:
        if position > self._most:
            raise _RefusedError(
                f"it holds more than {self._most} bytes, the most for an archive of its size (at least "
                f"{_NEVER_TOO_MUCH_BYTES}, then {_LARGEST_RATIO} for each of its own)"
            )


def _check(member: tarfile.TarInfo, folder: Path) -> None:
    """Refuse an entry before anything of it is written.

    This does not rely on the filter of `tarfile`, some versions of which were led out by long chains of links: no entry
    goes through a link, none replaces one, and each link by itself stays inside.
    """
    name, target = PurePosixPath(member.name), PurePosixPath(member.linkname)
    problem = ""
    if max(len(member.name), len(member.linkname)) > _LONGEST_NAME:
        raise _RefusedError(f"its entry '{member.name[:64]}...' has a name of more than {_LONGEST_NAME} characters")
    if member.name.startswith(("/", "\\")) or ".." in name.parts:
        problem = "leads outside the environment"
    elif not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        problem = "is a device or a pipe"
    elif (member.issym() or member.islnk()) and member.linkname.startswith("/"):
        problem = f"is a link to the absolute path '{member.linkname}'"
    elif member.issym() and _leaves(name, target):
        problem = f"is a link that leads outside the environment, '{member.linkname}'"
    elif member.islnk() and (".." in target.parts or _goes_through_a_link(folder, target)):
        problem = f"is a hard link to '{member.linkname}', which is outside or a link"
    elif _goes_through_a_link(folder, name):
        problem = "goes through a link, or takes the place of one"
    if problem:
        raise _RefusedError(f"its entry '{member.name}' {problem}")


def _leaves(name: PurePosixPath, target: PurePosixPath) -> bool:
    """Say whether a link may lead outside. `..` behind a name could come after another link, so it counts as well."""
    ups = 0
    while ups < len(target.parts) and target.parts[ups] == "..":
        ups += 1
    return ups >= len(name.parts) or ".." in target.parts[ups:]


def _goes_through_a_link(folder: Path, name: PurePosixPath) -> bool:
    place = folder
    for part in name.parts:
        place = place / part
        if place.is_symlink():
            return True
    return False
