"""What a worker lets the front see at any time, without a message: that it lives, and what it has begun.

A page of shared memory that outlives the worker: a count of heartbeats, the id of the request that was begun last, and
one byte for each exchange, set when the model begins to work on it.
"""

from __future__ import annotations

import mmap
import os
import struct

_BEATS = struct.Struct("<Q")
_LAST = 8
_LONGEST_ID = 247
_MARKS = 256
EXCHANGES = 64 * 1024 - _MARKS
"""The most exchanges that may be under way at once: those whose numbers differ by so many share a mark."""

_SIZE = _MARKS + EXCHANGES


class StatusPage:
    """The page, as its worker or the front sees it.

    Args:
        descriptor: The file in memory; this object does not close it.
    """

    def __init__(self, descriptor: int) -> None:
        self._map = mmap.mmap(descriptor, _SIZE)

    @staticmethod
    def create(name: str) -> int:
        """Return the descriptor of a new file in memory.

        Raises:
            OSError: The system has no memory or no descriptor left.
        """
        descriptor = os.memfd_create(name)
        os.ftruncate(descriptor, _SIZE)
        return descriptor

    def close(self) -> None:
        """Let go of the page."""
        self._map.close()

    # --- the worker writes ---

    def beat(self) -> None:
        """Count one more heartbeat. Called by one thread only."""
        _BEATS.pack_into(self._map, 0, self.beats + 1)

    def begin(self, number: int, request_id: str) -> None:
        """Note that the model begins to work on an exchange."""
        self._map[_MARKS + number % EXCHANGES] = 1
        name = request_id.encode("utf-8", "replace")[:_LONGEST_ID]
        self._map[_LAST : _LAST + 1 + len(name)] = bytes((len(name),)) + name

    # --- the front reads ---

    @property
    def beats(self) -> int:
        """Heartbeats so far."""
        return int(_BEATS.unpack_from(self._map, 0)[0])

    @property
    def last_request(self) -> str:
        """The id of the request that was begun last; empty if there was none."""
        length = self._map[_LAST]
        return self._map[_LAST + 1 : _LAST + 1 + length].decode("utf-8", "replace")

    def open(self, number: int) -> None:
        """Note that an exchange is new."""
        self._map[_MARKS + number % EXCHANGES] = 0

    def has_begun(self, number: int) -> bool:
        """Say whether the model has begun to work on an exchange."""
        return self._map[_MARKS + number % EXCHANGES] != 0
