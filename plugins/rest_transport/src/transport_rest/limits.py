"""How much one HTTP client may cost before anybody looks at what it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from mlcore.settings import Settings

LEAST_BYTES_PER_S = 1024
"""How fast a body has to arrive, on average, once it has taken longer than `body_timeout`."""


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection may do. The settings of the same names say more.

    Attributes:
        max_url_bytes: The longest path with its query.
        max_header_bytes: The largest head of a request; also the most that the chunks of a body may say besides it.
        max_headers: The most header fields.
        max_chunks: The most chunks of a body.
        header_timeout: Seconds for a head.
        body_timeout: Seconds for a body.
        idle_timeout: Seconds between requests.
        write_timeout: Seconds in which the client has to take something of what waits for it.
    """

    max_url_bytes: int = 8 * 2**10
    max_header_bytes: int = 32 * 2**10
    max_headers: int = 100
    max_chunks: int = 65_536
    header_timeout: float = 10.0
    body_timeout: float = 60.0
    idle_timeout: float = 75.0
    write_timeout: float = 60.0

    @staticmethod
    def of(settings: Settings) -> HttpLimits:
        """Return what the settings allow."""
        return HttpLimits(**{name: getattr(settings, name) for name in HttpLimits.__struct_fields__})

    @property
    def look_s(self) -> float:
        """How long nothing can be overdue that was not under way when somebody looked before."""
        return min(self.header_timeout, self.body_timeout, self.idle_timeout, self.write_timeout)
