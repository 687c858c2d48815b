"""How long to wait before something is tried again."""

from __future__ import annotations

import random

_FIRST_S = 0.2
_LONGEST_S = 15.0


class BackOff:
    """Waits that grow, and differ, so that servers which failed together do not all come back together."""

    def __init__(self) -> None:
        self._next_s = _FIRST_S

    def next_s(self, at_least_s: float = 0.0) -> float:
        """Return how long to wait now.

        Args:
            at_least_s: What whoever refused has asked for; no more than the longest wait.
        """
        wait_s = max(self._next_s, min(at_least_s, _LONGEST_S))
        self._next_s = min(2 * self._next_s, _LONGEST_S)
        return wait_s * random.uniform(0.75, 1.25)  # noqa: S311  # nobody gains anything from knowing

    def reset(self) -> None:
        """Begin with short waits again: it has worked."""
        self._next_s = _FIRST_S
