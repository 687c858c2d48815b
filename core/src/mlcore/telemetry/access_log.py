"""The access log: a line for each request, or for some of them. It says who asked for what, and never a payload."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from mlcore.logs import get_logger

if TYPE_CHECKING:
    from typing import Self

    from mlcore.settings import Settings

log = get_logger("mlcore.access")

_LONGEST = 256


class AccessLog:
    """Writes lines of requests. Transports ask `of` for it when they start.

    Args:
        fraction: How many of the requests get a line; those that end with an error of the server all do.
    """

    def __init__(self, fraction: float) -> None:
        self._fraction = fraction

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Return what the settings ask for; `None` if they ask for no lines."""
        fraction = 1.0 if settings.debug else settings.access_log
        return cls(fraction) if fraction else None

    def chooses(self) -> bool:
        """Say whether a request gets a line however it ends."""
        return self._fraction == 1 or random.random() < self._fraction  # noqa: S311  # nobody gains from knowing

    def wants(self, is_server_error: bool) -> bool:
        """Say whether a request that has ended gets a line, if nobody asked before."""
        return is_server_error or self.chooses()

    def write(
        self,
        method: str,
        path: str,
        status: int | str,
        *,
        since: float,
        request_bytes: int,
        response_bytes: int,
        peer: str | None,
        request_id: str | None = None,
        model: str | None = None,
        version: str | None = None,
        is_server_error: bool = False,
    ) -> None:
        """Write a line.

        Args:
            method: As HTTP has it.
            path: What was asked for, as the client wrote it.
            status: How it ended, as the transport says that.
            since: When the request began, by `time.monotonic`.
            request_bytes: The size of its body.
            response_bytes: The size of the answer's body.
            peer: The client's address.
            request_id: The id that the client gave it.
            model: The model that was asked.
            version: Its version, if the client named one.
            is_server_error: Whether the server is to blame for how it ended.
        """
        write = log.warning if is_server_error else log.info
        facts = {"request_id": request_id, "model": model, "version": version}
        write(
            "request",
            method=method[:_LONGEST],
            path=path[:_LONGEST],
            status=status,
            duration_ms=round((time.monotonic() - since) * 1000, 3),
            request_bytes=request_bytes,
            response_bytes=response_bytes,
            peer=peer,
            **{name: value[:_LONGEST] for name, value in facts.items() if value is not None},
        )
