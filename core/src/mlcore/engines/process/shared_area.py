"""Shared memory between the front and one worker, for large payloads: written once, read as views, never pickled.

An area is an anonymous file in memory (`memfd`), which has no name and goes with the last process that holds it, so
nothing is left behind however a process ends. It is divided into blocks. A table in front of them says which are
taken: the sender takes blocks, and the receiver gives them back by writing to the table, from whatever thread lets go
of the last view. Neither ever writes what the other one does, so no lock and no message is needed.
"""

from __future__ import annotations

import mmap
import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore_protocol import Buffer

BLOCK = 16 * 1024
"""The size of a block."""

BLOCKS = 4096
"""Blocks of an area. Memory is used from the first touch on, and blocks are taken from the front."""

# Arrays are views of payloads: a payload starts so that what follows a JSON head is aligned.
_ALIGNMENT = 16
_TAKEN = b"\x01"
_FREE = b"\x00"
_TABLE = -(-BLOCKS // mmap.PAGESIZE) * mmap.PAGESIZE


class SharedArea:
    """One area, as the sender or the receiver sees it.

    Args:
        descriptor: The file in memory; this object does not close it.
    """

    def __init__(self, descriptor: int) -> None:
        self._map = mmap.mmap(descriptor, _TABLE + BLOCKS * BLOCK)
        self._leases: dict[int, weakref.ref[np.ndarray]] = {}

    @staticmethod
    def create(name: str) -> int:
        """Return the descriptor of a new file in memory.

        Raises:
            OSError: The system has no memory or no descriptor left.
        """
        descriptor = os.memfd_create(name)
        os.ftruncate(descriptor, _TABLE + BLOCKS * BLOCK)
        return descriptor

    def put(self, pieces: Sequence[Buffer], length: int, head_length: int | None) -> int | None:
        """Write a payload, and return where it starts; `None` if there is no room for it now.

        Args:
            pieces: The payload.
            length: Its bytes.
            head_length: Bytes of the JSON head in front of binary tensors, where it has one.
        """
        padding = -(head_length or 0) % _ALIGNMENT
        count = -(-(padding + length) // BLOCK)
        block = self._map.find(_FREE * count, 0, BLOCKS)
        if block < 0:
            return None
        self._map[block : block + count] = _TAKEN * count
        start = position = _TABLE + block * BLOCK + padding
        for piece in pieces:
            end = position + len(piece)
            self._map[position:end] = piece
            position = end
        return start

    def get(self, start: int, length: int) -> memoryview:
        """Return a view of the payload that starts there; its blocks are given back when the last view has gone.

        Raises:
            ValueError: It is not inside the area.
        """
        if not _TABLE <= start <= start + length <= _TABLE + BLOCKS * BLOCK:
            raise ValueError(f"a payload of {length} bytes at {start} is outside the shared area")
        block = (start - _TABLE) // BLOCK
        count = -(-(start + length - _TABLE) // BLOCK) - block
        # Every view, of every kind, keeps this array alive.
        owner = np.frombuffer(self._map, np.uint8, length, start)
        self._leases[block] = weakref.ref(owner, lambda _: self._give_back(block, count))
        return memoryview(owner)  # type: ignore[arg-type]  # an array is a buffer, which 3.11 cannot say

    def close(self) -> None:
        """Let go of the memory, or leave that to the last view."""
        with suppress(BufferError):
            self._map.close()

    def _give_back(self, block: int, count: int) -> None:
        del self._leases[block]
        if not self._map.closed:
            self._map[block : block + count] = _FREE * count

    @property
    def taken(self) -> int:
        """How many blocks are taken."""
        return self._map[:BLOCKS].count(_TAKEN)
