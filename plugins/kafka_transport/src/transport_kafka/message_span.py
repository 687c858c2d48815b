"""The span of each message that is traced.

Source: OpenTelemetry, semantic conventions for messaging spans.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlcore.telemetry.tracing import carrier, fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore.telemetry.tracing import Tracing
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from transport_kafka.message import Message

_LONGEST = 256


class MessageSpan:
    """The span of one message.

    Args:
        span: The span.

    Attributes:
        carrier: What takes the trace on, to the model and with the answer.
    """

    def __init__(self, span: Span) -> None:
        self._span = span
        self.carrier = carrier()

    def note(self, message: Message, outcome: str, is_server_error: bool) -> None:
        """Note what is only known in the end."""
        if message.model is not None:
            self._span.set_attribute("mlcore.model", message.model[:_LONGEST])
        if message.version is not None:
            self._span.set_attribute("mlcore.version", message.version[:_LONGEST])
        self._span.set_attribute("mlcore.outcome", outcome)
        if is_server_error:
            fail(self._span, outcome)


@contextmanager
def message_span(tracing: Tracing, context: Context, message: Message) -> Iterator[MessageSpan]:
    """Let the work on a message be within a span."""
    record = message.record
    attributes: dict[str, Any] = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
    }
    with tracing.consumer_span(f"process {record.topic}", context, attributes) as span:
        yield MessageSpan(span)
