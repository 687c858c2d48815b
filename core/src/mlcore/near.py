"""How messages of the settings show what came, and what may have been meant."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return the end of a message that suggests the known name which is most like another.

    Args:
        name: What came.
        known: What there is.
        prefix: What all of them begin with, which says nothing of how alike they are.
    """
    short = {candidate.removeprefix(prefix).lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.removeprefix(prefix).lower(), short, n=1, cutoff=0.6)
    return f"; did you mean '{short[close[0]]}'?" if close else ""


def show(value: Any) -> str:
    """Return a value as JSON, at most 64 characters of it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 64 else f"{text[:64]}..."
