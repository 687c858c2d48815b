"""What becomes of one message: an answer, or a dead letter."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from mlcore.errors import InternalError, MLCoreError, PayloadTooLargeError
from mlcore.logs import get_logger
from mlcore.telemetry import is_tracing
from mlcore.telemetry.access_log import AccessLog
from mlcore.telemetry.requests import outcome_of

from transport_kafka.message import Message
from transport_kafka.reply import answer_to, dead_letter_of, without_value
from transport_kafka.tries import GivenUpError, Tries

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from typing import Self

    from aiokafka import ConsumerRecord
    from mlcore.access.guard import Guard
    from mlcore.dispatcher import Dispatcher
    from mlcore.settings import Settings
    from mlcore.telemetry.tracing import Tracing

    from transport_kafka.deliveries import Deliveries
    from transport_kafka.measures import MessageMeasures
    from transport_kafka.reply import Reply

log = get_logger("mlcore.kafka")

# The server is to blame for these.
_SERVER_ERRORS = frozenset({"deadline_exceeded", "internal", "overloaded", "unavailable"})


class Processing:
    """Answers messages.

    Args:
        settings: The server's settings.
        dispatcher: Where calls go.
        measures: Measures them.
        tracing: Says which messages are traced, if somebody collects traces.
        guard: Whose messages are answered; `None` for everybody's.
    """

    def __init__(
        self,
        settings: Settings,
        dispatcher: Dispatcher,
        measures: MessageMeasures,
        tracing: Tracing | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._measures = measures
        self._tracing = tracing
        self._guard = guard
        self._access_log = AccessLog.of(settings)
        self._dead_letters = settings.kafka_topic_dead_letter or f"{settings.kafka_topic_input}-dead-letter"

    @classmethod
    def of(
        cls, settings: Settings, dispatcher: Dispatcher, measures: MessageMeasures, guard: Guard | None = None
    ) -> Self:
        """Return one that traces, if whoever runs the process wants to see traces."""
        tracing = None
        if is_tracing():
            from mlcore.telemetry.tracing import Tracing

            tracing = Tracing()
        is_off = tracing is None or tracing.is_off
        return cls(settings, dispatcher, measures, None if is_off else tracing, guard)

    async def process(
        self, record: ConsumerRecord[Any, Any], deliveries: Deliveries, letting_go: asyncio.Event
    ) -> None:
        """Answer a message, and return when the broker has what is written for it.

        Args:
            record: The message.
            deliveries: Writes the answer.
            letting_go: Set when nobody waits for it any more.

        Raises:
            GivenUpError: It waited to be tried again, and was let go of.
        """
        message = Message(record)
        tries = Tries(self._dispatcher, self._settings.kafka_max_attempts, letting_go, self._measures.tried_again)
        context = self._tracing.context_of(message.lines) if self._tracing is not None else None
        if self._tracing is None or context is None:
            await self._process(message, tries, deliveries, None)
            return
        from transport_kafka.message_span import message_span

        with message_span(self._tracing, context, message) as span:
            outcome = await self._process(message, tries, deliveries, span.carrier)
            span.note(message, outcome, outcome in _SERVER_ERRORS)

    async def _process(
        self, message: Message, tries: Tries, deliveries: Deliveries, trace: Mapping[str, str] | None
    ) -> str:
        """Answer a message, and return how it ended: `ok`, or the code of an error."""
        since = time.monotonic()
        reply, outcome = await self._reply_to(message, tries, trace)
        try:
            await deliveries.deliver(reply)
        except PayloadTooLargeError as error:
            if reply.topic != self._dead_letters:
                outcome = error.code
                reply = self._dead_letter(message, error, tries)
            reply = await _deliver_what_fits(reply, deliveries)
        self._measures.ended(since, outcome)
        is_server_error = outcome in _SERVER_ERRORS
        if self._access_log is not None and self._access_log.wants(is_server_error):
            record = message.record
            self._access_log.write(
                "process",
                f"{record.topic}/{record.partition}/{record.offset}",
                outcome,
                since=since,
                request_bytes=len(record.value or b""),
                response_bytes=len(reply.value),
                peer=None,
                request_id=message.request_id,
                model=message.model,
                version=message.version,
                is_server_error=is_server_error,
            )
        return outcome

    async def _reply_to(self, message: Message, tries: Tries, trace: Mapping[str, str] | None) -> tuple[Reply, str]:
        """Return what is to be written for a message, and how it ended."""
        try:
            identity = None if self._guard is None else self._guard.identify(message.take_credentials())
            call = message.call(self._settings.max_body_bytes)
            if self._guard is not None and identity is not None:
                self._guard.check(identity, "infer", call.model)
            call.trace = dict(trace) if trace is not None else None
            answer = await tries.infer(call)
            return answer_to(message, call, answer, self._settings.kafka_topic_output, trace), "ok"
        except GivenUpError:
            raise
        except MLCoreError as error:
            return self._dead_letter(message, error, tries), outcome_of(error)
        except Exception as error:  # whatever it is, the next message has no part in it
            error_id = secrets.token_hex(6)
            log.error("message failed", error_id=error_id, exc_info=error)
            text = f"the server failed on this message; its log has the details under error id {error_id}"
            return self._dead_letter(message, InternalError(text), tries), "internal"

    def _dead_letter(self, message: Message, error: MLCoreError, tries: Tries) -> Reply:
        record = message.record
        code = outcome_of(error)
        log.warning(
            "a message has no answer",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            code=code,
            reason=str(error)[:256],
        )
        return dead_letter_of(message, code, str(error), tries.count, self._dead_letters)


async def _deliver_what_fits(reply: Reply, deliveries: Deliveries) -> Reply:
    """Write a dead letter, or only where it stands if the whole is too large, and return what was written."""
    try:
        await deliveries.deliver(reply)
        return reply
    except PayloadTooLargeError:
        reply = without_value(reply)
        await deliveries.deliver(reply)
        return reply
