"""How much one client may ask for at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlcore.errors import TooManyRequestsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


class Limit:
    """Counts the requests of one client. It belongs to one event loop.

    Args:
        name: The client's.
        rate: Requests that may begin in a second, on average; as many may begin at once after a pause.
        concurrency: Requests that may be under way.
        clock: The machine's monotonic clock.
    """

    def __init__(
        self,
        name: str,
        rate: float | None,
        concurrency: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._rate = rate
        self._concurrency = concurrency
        self._clock = clock
        self._most = max(1.0, rate or 0.0)
        self._left = self._most
        self._since = clock()
        self.under_way = 0

    @classmethod
    def of(cls, name: str, rate: float | None, concurrency: int | None) -> Self | None:
        """Return the limit of a client; `None` if it has none."""
        return None if rate is None and concurrency is None else cls(name, rate, concurrency)

    def enter(self) -> None:
        """Note that a request is under way; `leave` has to follow.

        Raises:
            TooManyRequestsError: There are too many.
        """
        if self._concurrency is not None and self.under_way >= self._concurrency:
            raise TooManyRequestsError(
                f"'{self._name}' has {self.under_way} requests under way, the most that its concurrency allows",
                retry_after_s=1,
            )
        self.under_way += 1

    def leave(self) -> None:
        """Note that a request has ended."""
        self.under_way -= 1

    def spend(self) -> None:
        """Note that a request begins.

        Raises:
            TooManyRequestsError: The client has begun too many.
        """
        if self._rate is None:
            return
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._since) * self._rate)
        self._since = now
        if self._left < 1:
            raise TooManyRequestsError(
                f"'{self._name}' asks more often than its rate allows, {self._rate:g} requests a second",
                retry_after_s=(1 - self._left) / self._rate,
            )
        self._left -= 1

    def begin(self) -> None:
        """Do both: `enter`, and `spend`.

        Raises:
            TooManyRequestsError: There are too many; `leave` must not follow then.
        """
        self.enter()
        try:
            self.spend()
        except TooManyRequestsError:
            self.leave()
            raise
