"""The file of the answers, and what an earlier run has left in it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from typing import Any, Self

import msgspec
from mlcore.errors import SettingsError

from command_infer.done import Done


class _Parameters(msgspec.Struct):
    batch_index: int


class _Written(msgspec.Struct):
    """What is read again of a line that was written."""

    parameters: _Parameters
    error: msgspec.Raw = msgspec.Raw()


class Output:
    """A file, or standard output.

    A line counts once its end is written: what a killed run has left of its last line is cut off.

    Attributes:
        done: The lines that an earlier run has answered.
        failed: How many of these with an error.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.is_terminal = os.isatty(descriptor)
        self.is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self.done = Done()
        self.failed = 0

    @classmethod
    def of(cls, path: str, resume: bool) -> Self:
        """Open a file, or take standard output for `-`.

        Args:
            path: Where it is.
            resume: Whether to go on with what it has; otherwise it is emptied.

        Raises:
            SettingsError: It cannot be written, another run writes it, or it holds something else than answers.
        """
        if path == "-":
            return cls(1)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise SettingsError(f"--output-data-path: cannot write '{path}': {error.strerror}") from None
        output = cls(descriptor)
        try:
            output._begin(path, resume)
        except BaseException:
            output.close()
            raise
        return output

    def _begin(self, path: str, resume: bool) -> None:
        if not self.is_file:
            if resume:
                raise SettingsError(f"--resume: '{path}' is not a file, so nothing can be read again")
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise SettingsError(f"--output-data-path: another run is writing '{path}'; wait for its end") from None
        kept = self._read_again(path) if resume else 0
        os.ftruncate(self._descriptor, kept)
        os.lseek(self._descriptor, kept, os.SEEK_SET)

    def _read_again(self, path: str) -> int:
        """Note which lines are there, and return where the last whole one ends."""
        decode = msgspec.json.Decoder(_Written).decode
        kept = 0
        with open(path, "rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                try:
                    written = decode(line)
                    index = written.parameters.batch_index
                    if index < 0 or index in self.done:
                        raise ValueError(f"the line number {index} is negative or stands twice")
                except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
                    raise SettingsError(
                        f"--resume: '{path}' was not written by this command: after byte {kept}: {error}"
                    ) from None
                self.done.add(index)
                self.failed += len(written.error) > 0
                kept += len(line)
        return kept

    def write(self, text: bytes) -> None:
        """Write all of `text`; for a thread, since whoever reads a pipe may take their time."""
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        """Have what was written survive the machine, too."""
        if self.is_file:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._descriptor > 2:
            os.close(self._descriptor)


def error_line(index: int, status: str, message: str) -> bytes:
    """Return the line for a line that has no answer."""
    plain: dict[str, Any] = {
        "parameters": {"batch_index": index},
        "error": {"status": status, "line": index + 1, "msg": message},
    }
    return msgspec.json.encode(plain)
