"""What another process of this machine takes, as Linux shows it."""

from __future__ import annotations

import os
from pathlib import Path


def memory_of(pid: int) -> float | None:
    """Return the bytes of memory that a process has resident; `None` if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def processor_time_of(pid: int) -> float | None:
    """Return the seconds of processor time that a process has had; `None` if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    user, system = fields[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
