"""What the OpenTelemetry SDK and its exporters log: one line a minute at most.

A collector that is down would otherwise fill the log: each exporter writes several lines for each batch.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from mlcore.logs import get_logger

log = get_logger("mlcore.telemetry")

# Whose lines these are: the SDK, and the HTTP client of its exporters.
_LOGGERS = ("opentelemetry", "urllib3")
_EVERY_S = 60.0
_LONGEST = 300


class OnceAMinute(logging.Handler):
    """Turns what a library logs into one line a minute.

    Args:
        log: Where that line goes.
        event: What it says.
    """

    def __init__(self, log: Any, event: str) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._event = event
        self._next = 0.0
        self._left_out = 0
        self._turn = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a line on, unless one was passed on less than a minute ago."""
        with self._turn:
            now = time.monotonic()
            if now < self._next:
                self._left_out += 1
                return
            self._next = now + _EVERY_S
            left_out, self._left_out = self._left_out, 0
        reason = " ".join(record.getMessage().split())[:_LONGEST]
        self._log.warning(self._event, reason=reason, left_out=left_out or None)


def tame_opentelemetry() -> None:
    """Turn what OpenTelemetry logs into one line a minute."""
    handler = OnceAMinute(log, "telemetry is not delivered, or not in full")
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
