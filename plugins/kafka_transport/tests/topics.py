"""The topics of one server, as its clients see them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from transport_kafka.connection import close

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PATIENCE_S = 60


@dataclass
class Record:
    """A message that was read."""

    topic: str
    key: bytes | None
    value: bytes
    headers: dict[str, bytes]

    def json(self) -> Any:
        """Return its value as Python objects."""
        return json.loads(self.value)


def body(*numbers: float, **members: Any) -> bytes:
    """Return a request with one input."""
    tensor = {"name": "x", "shape": [len(numbers)], "datatype": "FP64", "data": list(numbers)}
    return json.dumps({"inputs": [tensor], **members}).encode()


def said(text: str) -> bytes:
    """Return a request with one text."""
    return json.dumps({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}]}).encode()


async def eventually(is_so: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            await asyncio.sleep(0.02)


class Topics:
    """Writes requests, and reads what is written for them.

    Args:
        producer: Writes.
        consumer: Reads, from the beginning.
        name: What the names of the topics begin with.
        servers: The brokers.
        partitions: How many each topic has.
    """

    def __init__(
        self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, name: str, servers: str, partitions: int
    ) -> None:
        self._producer = producer
        self._consumer = consumer
        self._name = name
        self.servers = servers
        self._partitions = partitions
        self.input, self.output, self.dead = (f"{name}-{kind}" for kind in ("in", "out", "dead"))
        self.read: list[Record] = []

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a server of these topics. The broker takes its time with long sessions."""
        return {
            "kafka_enabled": True,
            "kafka_servers": self.servers,
            "kafka_topic_input": self.input,
            "kafka_topic_output": self.output,
            "kafka_topic_dead_letter": self.dead,
            "kafka_group_id": self._name,
            "kafka_session_timeout": 6,
        }

    async def write(
        self, value: bytes | None, key: str | None = None, model: str | None = "echo", **headers: bytes | str
    ) -> str | None:
        """Write a request, and return its key. Underscores in the names of headers stand for hyphens."""
        given: dict[str, bytes | str] = {**({} if model is None else {"mlcore_model": model}), **headers}
        lines = [
            (name.replace("_", "-"), text.encode() if isinstance(text, str) else text) for name, text in given.items()
        ]
        await self._producer.send_and_wait(self.input, value, key.encode() if key else None, headers=lines)
        return key

    async def answer(self, key: str | None, topic: str | None = None) -> Record:
        """Return the first message for a request with this key: its answer, or its dead letter."""
        wanted = key.encode() if key is not None else None
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for record in self.read:
                    if record.key == wanted and topic in (None, record.topic):
                        return record
                await self.more()

    async def ask(self, value: bytes | None, key: str | None = None, **headers: Any) -> Record:
        """Write a request, and return what is written for it."""
        key = key or uuid4().hex
        await self.write(value, key, **headers)
        return await self.answer(key)

    async def more(self) -> None:
        """Read what has come since, if there is anything."""
        for records in (await self._consumer.getmany(timeout_ms=200)).values():
            self.read += [Record(record.topic, record.key, record.value, dict(record.headers)) for record in records]

    async def committed(self) -> dict[int, int]:
        """Return what is committed of the input topic, by partition."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, group_id=self._name, enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = [TopicPartition(self.input, number) for number in range(self._partitions)]
            consumer.assign(partitions)
            return {known.partition: await consumer.committed(known) or 0 for known in partitions}
        finally:
            await consumer.stop()


@asynccontextmanager
async def topics(servers: str, partitions: int = 2, **client: Any) -> AsyncIterator[Topics]:
    """Have topics that nobody else has."""
    name = f"t-{uuid4().hex[:12]}"
    names = [f"{name}-{kind}" for kind in ("in", "out", "dead")]
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, **client)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(known, partitions, 1) for known in names])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=servers, max_request_size=2**24, **client)
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest", **client)
    await producer.start()
    try:
        await consumer.start()
        try:
            consumer.assign([TopicPartition(known, number) for known in names[1:] for number in range(partitions)])
            yield Topics(producer, consumer, name, servers, partitions)
        finally:
            await close(consumer)
    finally:
        await close(producer)
