"""Where log lines go: stderr, without ever waiting for whoever reads it, and whatever becomes of the disk behind it."""

from __future__ import annotations

import logging
import os
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

# A reader that is only slow gets so long; one that has stopped is not waited for again until it reads.
_PATIENCE_MS = 50


class LogOutput(logging.StreamHandler["TextIO"]):
    """Writes lines to a stream of the process. What cannot be written now is left out, and counted.

    A line that waits for its reader would hold up every request of the process. The first line that can be written
    again is preceded by one that says how many are missing.

    Args:
        stream: The stream.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._left_out = 0
        self._is_broken = False
        self._descriptor = _descriptor_of(stream)
        if self._descriptor is not None:
            self._poll = select.poll()
            self._poll.register(self._descriptor, select.POLLOUT)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; as any handler, without failing."""
        if self._descriptor is None:
            super().emit(record)
            return
        try:
            self.flush()  # what others wrote to the stream comes first
            line = self.format(record)
            if self._left_out:
                line = f"{self.format(self._gap())}{self.terminator}{line}"
            if self._write(f"{line}{self.terminator}".encode(errors="backslashreplace")):
                self._left_out = 0
            else:
                self._left_out += 1
        except OSError:  # the disk is full, or the reader has gone: to say so here is not possible
            self._left_out += 1
        except Exception:  # a record may hold anything
            self.handleError(record)

    def _write(self, data: bytes) -> bool:
        """Write all that is taken without waiting, and say whether that was everything."""
        assert self._descriptor is not None, "only a stream of the process is written to so"
        if self._is_broken:
            data = b"\n" + data
        left = memoryview(data)
        while left:
            if not self._poll.poll(0 if self._left_out else _PATIENCE_MS):
                self._is_broken = self._is_broken or len(left) < len(data)
                return False
            # A pipe that can be written to takes at least so much.
            left = left[os.write(self._descriptor, left[: select.PIPE_BUF]) :]
        self._is_broken = False
        return True

    def _gap(self) -> logging.LogRecord:
        return logging.makeLogRecord(
            {
                "name": __name__,
                "levelno": logging.WARNING,
                "levelname": "WARNING",
                "msg": "log lines were left out, for they could not be written",
                "lines": self._left_out,
            }
        )


def _descriptor_of(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, AttributeError):  # one that a test or a notebook has put there
        return None
