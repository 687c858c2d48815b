"""What is measured of messages, by the names of OpenTelemetry's semantic conventions where there are some."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlcore.telemetry.instruments import KAFKA_ACTIVE, KAFKA_DURATION, KAFKA_LAG, KAFKA_RETRIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlcore.telemetry.tallies import Tallies

    from transport_kafka.intake import Intake


class MessageMeasures:
    """Measures messages.

    Args:
        tallies: What the server measures.
        topic: The topic that messages are taken from.
        intake: Returns what takes them; `None` while there is no connection.
    """

    def __init__(self, tallies: Tallies, topic: str, intake: Callable[[], Intake | None]) -> None:
        self._tallies = tallies
        self._topic = topic
        self._intake = intake
        tallies.observe(KAFKA_ACTIVE, self._active)
        tallies.observe(KAFKA_LAG, self._lag)

    def ended(self, since: float, outcome: str) -> None:
        """Note how a message ended: `ok`, or the code of an error."""
        self._tallies.histogram(KAFKA_DURATION, self._topic, outcome).record(time.monotonic() - since)

    def tried_again(self, code: str) -> None:
        """Count one more try of a message."""
        self._tallies.counter(KAFKA_RETRIES, self._topic, code).add()

    def _active(self) -> Iterable[tuple[float, tuple[str, ...]]]:
        intake = self._intake()
        return [(0 if intake is None else intake.under_way, (self._topic,))]

    def _lag(self) -> Iterable[tuple[float, tuple[str, ...]]]:
        intake = self._intake()
        lags = {} if intake is None else intake.lag()
        return [(lag, (self._topic, str(partition))) for partition, lag in lags.items()]
