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
# Where nobody asked for lines, errors get so many in a second: a refusal has to stay cheap when there are many.
_MOST_PER_S = 10


class AccessLog:
    """Writes lines of requests. Transports ask `of` for it when they start.

    Args:
        fraction: How many of the requests get a line. Those that end with an error of the server all do; if it is 0,
            some each second.
    """

    def __init__(self, fraction: float) -> None:
        self._fraction = fraction
        self._second = 0
        self._errors = 0
        self._left_out = 0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings ask for."""
        return cls(1.0 if settings.debug else settings.access_log)

    def chooses(self) -> bool:
        """Say whether a request gets a line however it ends."""
        return self._fraction == 1 or random.random() < self._fraction  # noqa: S311  # nobody gains from knowing

    def wants(self, is_server_error: bool) -> bool:
        """Say whether a request that has ended gets a line, if nobody asked before."""
        return self.wants_error() if is_server_error else self.chooses()

    def wants_error(self) -> bool:
        """Say whether a request gets a line that has ended with an error of the server."""
        if self._fraction:
            return True
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._errors = second, 0
        self._errors += 1
        if self._errors > _MOST_PER_S:
            self._left_out += 1
        return self._errors <= _MOST_PER_S

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
        left_out, self._left_out = self._left_out, 0
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
            **({"errors_left_out": left_out} if left_out else {}),
        )
