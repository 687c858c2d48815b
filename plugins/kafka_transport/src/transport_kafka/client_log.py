"""What the client of the broker logs: one line a minute at most.

Of a broker that is down it would write several a second.
"""

from __future__ import annotations

import logging

from mlcore.logs import get_logger
from mlcore.telemetry.trouble import OnceAMinute

log = get_logger("mlcore.kafka")


def tame_aiokafka() -> None:
    """Turn what the client logs into one line a minute, unless somebody takes care of it already."""
    logger = logging.getLogger("aiokafka")
    if not logger.handlers:
        logger.addHandler(OnceAMinute(log, "the client of Kafka has trouble"))
        logger.propagate = False
