"""The Kafka transport: a client of a broker, hence without a port of its own.

aiokafka is imported only where the settings want Kafka.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from mlcore.logs import get_logger
from mlcore.transport import Transport

if TYPE_CHECKING:
    from transport_kafka.connection import Connection
    from transport_kafka.intake import Intake
    from transport_kafka.processing import Processing

log = get_logger("mlcore.kafka")

# After a connection that has lasted for so long, the next one is not waited for as after one that never worked.
_LONG_S = 60.0


class KafkaTransport(Transport):
    """Answers the requests of one topic in another."""

    name = "kafka"
    listens = False

    _connection: Connection | None = None
    _intake: Intake | None = None
    _running: asyncio.Task[None] | None = None
    _grace_s = 0.0

    @property
    def is_wanted(self) -> bool:
        """Whether the settings switch it on."""
        return self.settings.kafka_enabled

    def bind(self) -> None:
        """Check the settings of the connection; there is no port to take.

        Raises:
            SettingsError: They do not fit together, or a file cannot be used.
        """
        from transport_kafka.connection import Connection

        self._stopping = asyncio.Event()
        self._connection = Connection(self.settings)

    @property
    def url(self) -> str:
        """The brokers and the topic that requests are written to."""
        return f"kafka://{self.settings.kafka_servers}/{self.settings.kafka_topic_input}"

    async def start(self) -> None:
        """Begin to look for the broker, which may be down. Messages are taken once the models are loaded."""
        from transport_kafka.client_log import tame_aiokafka
        from transport_kafka.measures import MessageMeasures
        from transport_kafka.processing import Processing

        tame_aiokafka()
        measures = MessageMeasures(self.dispatcher.tallies, self.settings.kafka_topic_input, lambda: self._intake)
        processing = Processing.of(self.settings, self.dispatcher, measures, self.control.guard)
        self._running = asyncio.create_task(self._run(processing), name="mlcore-kafka")

    async def stop(self, grace_s: float) -> None:
        """Take no more messages, and finish those that are under way; see `Transport.stop`.

        What is not finished then, or waits to be tried again, is not committed: another server gets it, or this one
        when it is back.
        """
        if self._running is None:
            return
        self._grace_s = grace_s
        self._stopping.set()
        if self._intake is None:
            self._running.cancel()
        elif not grace_s:
            self._intake.hurry()
        await asyncio.wait({self._running})

    async def _run(self, processing: Processing) -> None:
        """Have a connection, and another one after it, until the stop."""
        from transport_kafka.back_off import BackOff

        await self.control.until_accepting()
        back_off = BackOff()
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await self._session(processing)
            except Exception as error:  # whatever the client raises, the other transports go on
                if time.monotonic() - began > _LONG_S:
                    back_off.reset()
                wait_s = back_off.next_s()
                log.error(
                    "Kafka cannot be used; trying again",
                    servers=self.settings.kafka_servers,
                    reason=repr(error),
                    after_s=round(wait_s, 1),
                )
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._stopping.wait()

    async def _session(self, processing: Processing) -> None:
        """Take messages over one connection, until the stop or until the connection fails."""
        from transport_kafka.deliveries import Deliveries
        from transport_kafka.intake import Intake

        assert self._connection is not None, "bind comes first"
        async with self._connection.producer() as producer, self._connection.consumer() as consumer:
            intake = Intake(self.settings, consumer, processing, Deliveries(producer))
            self._intake = intake
            log.info("connected", servers=self.settings.kafka_servers, topic=self.settings.kafka_topic_input)
            try:
                await intake.run(self._stopping)
            finally:
                await intake.drain(self._grace_s)
                self._intake = None
