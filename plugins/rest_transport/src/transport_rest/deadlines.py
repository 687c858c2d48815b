"""When one connection has taken too long. A byte now and then extends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.logs import get_logger

from transport_rest.gate import Refusal
from transport_rest.limits import LEAST_BYTES_PER_S

if TYPE_CHECKING:
    import asyncio

    from transport_rest.limits import HttpLimits
    from transport_rest.protocol import HttpProtocol

log = get_logger("mlcore.rest")

# A client that was refused has so long to read why, before it is cut off while it still sends.
_LINGER_S = 2.0


class Deadlines:
    """Looks after one connection, again and again: a timer for each request would cost more.

    Whatever begins after one look is found by the next, which comes before that can be overdue.

    Args:
        connection: Which.
        limits: How long what may take.
    """

    __slots__ = ("_connection", "_limits", "_loop", "_mark", "_marked", "_timer")

    def __init__(self, connection: HttpProtocol, limits: HttpLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._loop = connection.loop
        self._mark: object = None
        self._marked = 0.0
        self._timer: asyncio.TimerHandle = self._loop.call_later(limits.look_s, self._look)

    def linger(self) -> None:
        """Close the connection soon."""
        self._timer.cancel()
        self._timer = self._loop.call_later(_LINGER_S, self._look)

    def end(self) -> None:
        """Look no more: the connection is closed."""
        self._timer.cancel()

    def _look(self) -> None:
        connection = self._connection
        now = self._loop.time()
        left_s = self._limits.look_s
        waits_s = self._waits_s(now)
        if waits_s is not None:
            if waits_s <= 0:
                log.warning("a connection was cut: its client takes nothing", write_timeout=self._limits.write_timeout)
                connection.transport.abort()
                return
            left_s = min(left_s, waits_s)
        elif connection.is_refused:
            connection.transport.close()
        if not (connection.is_refused or connection.transport.is_closing()):
            left_s = min(left_s, self._give_up(now, waits_s is not None))
        self._timer = self._loop.call_later(left_s, self._look)

    def _waits_s(self, now: float) -> float | None:
        """Return how long the client may still take nothing of what waits for it; `None` if nothing does."""
        connection = self._connection
        unsent = connection.transport.get_write_buffer_size()
        if not unsent:
            self._mark = None
            return None
        latest = connection.latest
        mark = (id(latest), latest.sent - unsent if latest is not None else unsent)
        if mark != self._mark:  # it has taken something, or another answer was added
            self._mark = mark
            self._marked = now
        return self._marked + self._limits.write_timeout - now

    def _give_up(self, now: float, is_unsent: bool) -> float:
        """Give the client up if it is overdue; return how long it is not, where anything is awaited of it."""
        limits = self._limits
        connection = self._connection
        if connection.head_since is not None:
            left_s = connection.head_since + limits.header_timeout - now
            if left_s <= 0:
                text = f"the head took longer than {limits.header_timeout:g} seconds, the setting header_timeout"
                connection.refuse(Refusal(408, text))
        elif (body := connection.awaited_body()) is not None:
            since, received = body
            left_s = since + max(limits.body_timeout, received / LEAST_BYTES_PER_S) - now
            if left_s <= 0:
                text = (
                    f"the body took longer than {limits.body_timeout:g} seconds, the setting body_timeout, and came "
                    f"with less than {LEAST_BYTES_PER_S} bytes a second"
                )
                connection.refuse(Refusal(408, text))
        elif not connection.is_busy and not is_unsent:
            patience_s = limits.header_timeout if connection.latest is None else limits.idle_timeout
            left_s = connection.idle_since + patience_s - now
            if left_s <= 0:
                connection.transport.close()
        else:
            return limits.look_s
        return max(left_s, 0.0)
