"""How messages of the settings show what came, and what may have been meant."""

from __future__ import annotations

import difflib
import json
from typing import Any


def nearest(name: str, known: set[str]) -> str:
    """Return the end of a message that suggests the known name which is most like another."""
    lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return f"; did you mean '{lower[close[0]]}'?" if close else ""


def show(value: Any) -> str:
    """Return a value as JSON, at most 64 characters of it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 64 else f"{text[:64]}..."
