"""Takes messages, as many at once as the settings say, and commits what is answered.

A partition is committed up to its lowest message without an answer, so whatever ends this server, no message is
lost: those that are not committed come again, here or to another server of the group.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from mlcore.logs import get_logger

from transport_kafka.progress import Progress
from transport_kafka.tries import GivenUpError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
    from mlcore.settings import Settings

    from transport_kafka.deliveries import Deliveries
    from transport_kafka.processing import Processing

log = get_logger("mlcore.kafka")

# How long the client waits for messages before it is asked anew.
_POLL_MS = 1000
# A member of a group that does not ask for messages is taken for dead after minutes; asked with every partition
# paused, the client drops what it has fetched ahead, so that is not done at once.
_FULL_S = 5.0
# Commits are gathered for so long: each is a request to the broker.
_COMMIT_EVERY_S = 0.2
_LAST_COMMIT_S = 5.0
# Messages of a partition that may be answered, while one before them is not, for each that may be under way: they
# would all come again after a restart.
_AHEAD = 10


class Intake(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Takes the messages of one connection.

    Args:
        settings: The server's settings.
        consumer: The client, connected and subscribed to nothing.
        processing: Answers a message.
        deliveries: Writes the answers.
    """

    def __init__(
        self, settings: Settings, consumer: AIOKafkaConsumer, processing: Processing, deliveries: Deliveries
    ) -> None:
        self._consumer = consumer
        self._processing = processing
        self._deliveries = deliveries
        self._topic = settings.kafka_topic_input
        self._most = settings.kafka_concurrency
        self._rebalance_s = settings.kafka_rebalance_timeout
        self._partitions: dict[TopicPartition, Progress] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_taking = True
        self._has_room = asyncio.Event()
        self._has_moved = asyncio.Event()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def under_way(self) -> int:
        """Messages that are being answered."""
        return len(self._tasks)

    def lag(self) -> dict[int, int]:
        """Return how many offsets each partition is behind, as far as the client knows; in any thread."""
        lags = {}
        for partition, progress in list(self._partitions.items()):
            try:
                end = self._consumer.highwater(partition)
            except IllegalStateError:  # it has gone to another server
                continue
            if end is not None:
                position = progress.position if progress.position is not None else progress.lowest
                lags[partition.partition] = max(0, end - position) if position is not None else 0
        return lags

    # --- from the start to the end ---

    async def run(self, stopping: asyncio.Event) -> None:
        """Take messages until `stopping` is set.

        Raises:
            KafkaError: The client cannot go on.
        """
        self._consumer.subscribe([self._topic], listener=self)
        stop = asyncio.ensure_future(stopping.wait())
        fetching = asyncio.create_task(self._fetch(), name="mlcore-kafka-fetch")
        self._committing = asyncio.create_task(self._commit_again_and_again(), name="mlcore-kafka-commit")
        waits: set[asyncio.Future[Any]] = {stop, fetching, self._committing, self._failure}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for ended in (fetching, self._committing, self._failure):
                if ended.done():
                    ended.result()
        finally:
            self._is_taking = False  # libraries may swallow a cancellation
            stop.cancel()
            await _cancelled(fetching)

    async def drain(self, grace_s: float) -> None:
        """Take nothing more, let what is under way finish, and commit it.

        Args:
            grace_s: Seconds that it may take.
        """
        await self._let_go_of(list(self._partitions.values()), grace_s)
        await _cancelled(self._committing)
        try:
            async with asyncio.timeout(_LAST_COMMIT_S):
                await self._commit(self._partitions)
        except (KafkaError, TimeoutError) as error:
            reason = repr(error)
            log.warning("the last answers are not committed; their messages come again", reason=reason)

    def hurry(self) -> None:
        """Give up what is under way; it is not committed."""
        for task in self._tasks:
            task.cancel()

    async def _let_go_of(self, partitions: list[Progress], patience_s: float) -> None:
        """Let what is under way finish; what waits to be tried again, or takes too long, is given up."""
        for progress in partitions:
            progress.letting_go.set()
        tasks = set().union(*(progress.tasks for progress in partitions))
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=patience_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    # --- messages ---

    async def _fetch(self) -> None:
        while self._is_taking:
            room = self._most - len(self._tasks)
            if room <= 0:
                await self._wait_for_room()
                continue
            self._hold_back()
            found = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=room)
            for partition, records in found.items():
                progress = self._partitions.get(partition)
                if progress is not None:  # else it has gone to another server since
                    for record in records:
                        self._begin(record, progress)

    async def _wait_for_room(self) -> None:
        self._has_room.clear()
        try:
            async with asyncio.timeout(_FULL_S):
                await self._has_room.wait()
        except TimeoutError:
            self._consumer.pause(*self._consumer.assignment())
            await self._consumer.getmany(timeout_ms=0)

    def _hold_back(self) -> None:
        """Take nothing from partitions where a message without an answer holds up too many that have one."""
        full = {partition for partition, progress in self._partitions.items() if progress.ahead >= _AHEAD * self._most}
        assigned, paused = self._consumer.assignment(), self._consumer.paused()
        self._consumer.pause(*(full & assigned) - paused)
        self._consumer.resume(*paused - full)

    def _begin(self, record: ConsumerRecord[Any, Any], progress: Progress) -> None:
        progress.begin(record.offset)
        task = asyncio.create_task(self._answer(record, progress))
        for tasks in (self._tasks, progress.tasks):
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        task.add_done_callback(self._ended)

    async def _answer(self, record: ConsumerRecord[Any, Any], progress: Progress) -> None:
        try:
            await self._processing.process(record, self._deliveries, progress.letting_go)
        except GivenUpError:
            return
        if progress.end(record.offset):
            self._has_moved.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._has_room.set()
        if not task.cancelled() and (error := task.exception()) is not None and not self._failure.done():
            self._failure.set_exception(error)

    # --- commits ---

    async def _commit_again_and_again(self) -> None:
        while True:
            await self._has_moved.wait()
            await asyncio.sleep(_COMMIT_EVERY_S)
            self._has_moved.clear()
            await self._commit(self._partitions)

    async def _commit(self, partitions: dict[TopicPartition, Progress]) -> None:
        moved = {
            partition: progress.position
            for partition, progress in partitions.items()
            if progress.position is not None and progress.position != progress.committed
        }
        if not moved:
            return
        try:
            await self._consumer.commit({known: OffsetAndMetadata(offset, "") for known, offset in moved.items()})
        except (CommitFailedError, IllegalStateError) as error:
            # The group has moved on, and whoever has these partitions now begins after the last commit.
            log.info("answers were not committed; their messages come again", reason=str(error))
            return
        for partition, offset in moved.items():
            partitions[partition].committed = offset

    # --- partitions come and go ---

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish with partitions that go to another server, or may: the client waits for this."""
        going = {known: self._partitions.pop(known) for known in revoked if known in self._partitions}
        await self._let_go_of(list(going.values()), self._rebalance_s)
        await self._commit(going)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Begin with partitions, after what is committed of them."""
        self._partitions = {partition: Progress() for partition in assigned}
        log.info("taking messages", topic=self._topic, partitions=sorted(known.partition for known in assigned))


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task, and wait until it has ended."""
    task.cancel()
    await asyncio.wait({task})
