"""Writes replies, for as long as it takes: what is not written would be lost, or come again for ever."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from mlcore.errors import PayloadTooLargeError
from mlcore.logs import get_logger

from transport_kafka.back_off import BackOff

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from transport_kafka.reply import Reply

log = get_logger("mlcore.kafka")

_TELL_EVERY_S = 30.0


class Deliveries:
    """Writes replies.

    Args:
        producer: The client, connected.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._told = float("-inf")

    async def deliver(self, reply: Reply) -> None:
        """Write a reply, and return when the broker has it.

        Raises:
            PayloadTooLargeError: The broker never takes it.
        """
        back_off = BackOff()
        while True:
            topic, key, value, headers = reply
            try:
                await self._producer.send_and_wait(topic, value, key, headers=headers)
                return
            except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
                raise PayloadTooLargeError(
                    f"a message of {len(value)} bytes is more than topic {topic} takes"
                ) from error
            except KafkaError as error:
                self._tell(topic, error)
            await asyncio.sleep(back_off.next_s())

    def _tell(self, topic: str, error: KafkaError) -> None:
        """Say that it is tried again; not once for each of hundreds of messages."""
        now = time.monotonic()
        if now - self._told >= _TELL_EVERY_S:
            self._told = now
            log.error("a message cannot be written; trying again", topic=topic, reason=repr(error))
