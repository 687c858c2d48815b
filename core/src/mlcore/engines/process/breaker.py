"""A circuit breaker: after repeated deaths, no more workers are spent on a model for a while."""

from __future__ import annotations

import time

# Workers that a model may take with it in a row: while it works on requests, and while it is loaded, which a client
# has no part in.
_AT_WORK = 5
_AT_LOAD = 2

# A worker that had the model for longer than this did not die of it as the one before did.
_ROW_S = 30.0
_FIRST_REST_S = 30.0
_LONGEST_REST_S = 300.0


class Breaker:
    """Counts the workers that died while one model alone was at work in them.

    Attributes:
        reason: What happened last; empty while there is nothing to say.
        deaths: Workers in a row.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.deaths = 0
        self._last = 0.0
        self._rest_s = _FIRST_REST_S
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the model rests."""
        return time.monotonic() < self._until

    @property
    def left_s(self) -> float:
        """Seconds for which it still rests."""
        return max(0.0, self._until - time.monotonic())

    def record(self, reason: str, at_load: bool = False) -> bool:
        """Count one death, and say whether the model has to rest now.

        Args:
            reason: Why the worker ended.
            at_load: Whether it was loading the model.
        """
        now = time.monotonic()
        in_a_row = now - max(self._last, self._until) < _ROW_S
        self.deaths = self.deaths + 1 if in_a_row else 1
        if not in_a_row:
            self._rest_s = _FIRST_REST_S
        self._last = now
        self.reason = f"its worker ended {self.deaths} times in a row, the last one: {reason}"
        if self.deaths < (_AT_LOAD if at_load else _AT_WORK):
            return False
        self._until = now + self._rest_s
        self._rest_s = min(2 * self._rest_s, _LONGEST_REST_S)
        return True
