"""How many connections a transport has, and from where: whoever may open any number shuts everybody else out."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from mlcore.logs import get_logger
from mlcore.telemetry.instruments import CONNECTIONS, CONNECTIONS_REFUSED

if TYPE_CHECKING:
    from mlcore.telemetry.tallies import Tallies

log = get_logger("mlcore.connections")

# A refusal has to stay cheap when there are many, so one line stands for those of a minute.
_LINE_EVERY_S = 60.0


class ConnectionCount:
    """Counts the connections of one transport, and refuses those that are too many.

    Args:
        transport: Its name.
        most: The most connections.
        most_per_peer: The most from one address.
        prefix: What the names of the two settings begin with.
        tallies: Where the count is shown.
    """

    def __init__(self, transport: str, most: int, most_per_peer: int, tallies: Tallies, prefix: str = "") -> None:
        self._transport = transport
        self._most = most
        self._most_per_peer = most_per_peer
        self._prefix = prefix
        self._total = 0
        self._peers: Counter[Any] = Counter()
        self._next_line = 0.0
        self._left_out = 0
        self._refused = {
            reason: tallies.counter(CONNECTIONS_REFUSED, transport, reason) for reason in ("total", "peer")
        }
        tallies.observe(CONNECTIONS, lambda: [(self._total, (transport,))])

    def enter(self, address: Any) -> str | None:
        """Count one more connection.

        Args:
            address: Where it comes from; where that is no pair of host and port, only the total counts.

        Returns:
            Why there may be none, if so; it is not counted then.
        """
        if self._total >= self._most:
            return self._refusal("total", f"{self._most} connections", "max_connections")
        peer = _peer(address)
        if peer is not None:
            if self._peers[peer] >= self._most_per_peer:
                what = f"{self._most_per_peer} connections of one address"
                return self._refusal("peer", what, "max_connections_per_peer")
            self._peers[peer] += 1
        self._total += 1
        return None

    def leave(self, address: Any) -> None:
        """Note that a connection has ended that was counted."""
        self._total -= 1
        peer = _peer(address)
        if peer is not None:
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]

    def _refusal(self, reason: str, what: str, setting: str) -> str:
        self._refused[reason].add()
        text = f"there are {what} already, the setting {self._prefix}{setting}"
        now = time.monotonic()
        if now < self._next_line:
            self._left_out += 1
        else:
            self._next_line = now + _LINE_EVERY_S
            left_out, self._left_out = self._left_out, 0
            log.warning("a connection was refused", transport=self._transport, reason=text, left_out=left_out or None)
        return text


def _peer(address: Any) -> Any:
    return address[0] if isinstance(address, tuple) else None
