"""What `mlcore import` finds in one file."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """Something that will be different.

    Attributes:
        text: What, and what to do.
        line: Where it stands, from 1; 0 for the file as a whole.
        needs_change: Whether it does not work as it is, rather than in another way.
    """

    text: str
    line: int = 0
    needs_change: bool = False
