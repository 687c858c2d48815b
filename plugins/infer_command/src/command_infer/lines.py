"""The lines of the input, as they are asked for."""

from __future__ import annotations

import os
import stat
from collections import deque
from dataclasses import dataclass
from typing import Self

from mlcore.daemon_thread import in_daemon_thread
from mlcore.errors import SettingsError

_CHUNK = 256 * 1024

LONGEST_LINE = 256 * 2**20
"""In bytes. What is longer is no request but a file without lines, and would take all memory."""


@dataclass(frozen=True)
class Line:
    """A line of the input.

    Attributes:
        index: Its number, from 0.
        text: The line without its end; `None` if it is longer than any request.
        end: Where the next one begins, in bytes.
    """

    index: int
    text: bytes | None
    end: int


class Lines:
    """Reads lines from a file, or from whatever standard input is. A last line need not have an end.

    Attributes:
        size: Bytes of the file; `None` where they are not known.
        count: How many lines have been read so far.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        found = os.fstat(descriptor)
        self.size = found.st_size if stat.S_ISREG(found.st_mode) else None
        self._ready: deque[Line] = deque()
        self._begun: list[bytes] = []
        self._begun_length = 0
        self.count = 0
        self._position = 0
        self._is_over = False

    @classmethod
    def of(cls, path: str) -> Self:
        """Open a file, or take standard input for `-`.

        Raises:
            SettingsError: It cannot be read.
        """
        if path == "-":
            return cls(0)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise IsADirectoryError(0, "it is a folder")
        except OSError as error:
            raise SettingsError(f"--input-data-path: cannot read '{path}': {error.strerror}") from None
        return cls(descriptor)

    def is_same_file(self, path: str) -> bool:
        """Say whether a path leads to the file that is read."""
        return os.path.exists(path) and os.path.samestat(os.fstat(self._descriptor), os.stat(path))

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self._descriptor != 0:
            os.close(self._descriptor)

    async def next(self) -> Line | None:
        """Return the next line, or `None` after the last."""
        while not self._ready:
            if self._is_over:
                return None
            self._take(await in_daemon_thread(lambda: os.read(self._descriptor, _CHUNK), "infer-io"))
        return self._ready.popleft()

    def _take(self, chunk: bytes) -> None:
        first, *others = chunk.split(b"\n")
        self._begin(first)
        for other in others:
            self._end(1)
            self._begin(other)
        if not chunk:
            self._is_over = True
            if self._begun_length:
                self._end(0)

    def _begin(self, piece: bytes) -> None:
        self._begun_length += len(piece)
        if self._begun_length > LONGEST_LINE:
            self._begun = []
        elif piece:
            self._begun.append(piece)

    def _end(self, newline: int) -> None:
        self._position += self._begun_length + newline
        text = b"".join(self._begun) if self._begun_length <= LONGEST_LINE else None
        self._ready.append(Line(self.count, text, self._position))
        self.count += 1
        self._begun = []
        self._begun_length = 0
