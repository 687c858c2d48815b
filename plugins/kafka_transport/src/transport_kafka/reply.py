"""What is written for a message: its answer to the output topic, or itself and the reason to the dead-letter topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mlcore.peek import id_of

from transport_kafka.message import CONTENT_TYPE, HEAD_LENGTH, MODEL, REQUEST_ID, VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlcore.engine import Answer, Call

    from transport_kafka.message import Message

TRACE_FIELDS = ("traceparent", "tracestate", "baggage")

_REASON = "mlcore-error"
# What says how the answer is to be read, hence is not a model's to say.
_OWN_HEADERS = frozenset({CONTENT_TYPE, HEAD_LENGTH, MODEL, VERSION, REQUEST_ID, *TRACE_FIELDS})
_LONGEST_REASON = 2048

Headers = list[tuple[str, bytes]]


class Reply(NamedTuple):
    """A message that is to be written."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers


def answer_to(message: Message, call: Call, answer: Answer, topic: str, trace: Mapping[str, str] | None) -> Reply:
    """Return the answer to a message: with its key, or else with the id that it names.

    Args:
        message: The message.
        call: What went to the model.
        answer: What came from there.
        topic: The topic for answers.
        trace: What carries the trace on; the request's own headers if it is not traced here.
    """
    key = message.record.key
    if key is None:
        request_id = id_of(call) or message.request_id
        key = request_id.encode("utf-8", "replace") if request_id is not None else None
    headers = [(CONTENT_TYPE, answer.media_type.encode()), (MODEL, call.model.encode())]
    if call.version is not None:
        headers.append((VERSION, call.version.encode()))
    if answer.head_length is not None:
        headers.append((HEAD_LENGTH, b"%d" % answer.head_length))
    if request_id_header := message.header(REQUEST_ID):
        headers.append((REQUEST_ID, request_id_header))
    headers += _carried_on(message, trace)
    for name, value in (answer.headers or {}).items():
        if str(name).lower() not in _OWN_HEADERS:
            headers.append((str(name), str(value).encode("utf-8", "replace")))
    return Reply(topic, key, b"".join(answer.buffers), headers)


def dead_letter_of(message: Message, code: str, reason: str, attempts: int, topic: str) -> Reply:
    """Return a message as it came, with headers that say why it has no answer and where it stands.

    Args:
        message: The message.
        code: The stable word of the error.
        reason: Its text.
        attempts: How often the model has begun with it, or could have.
        topic: The topic for such messages.
    """
    record = message.record
    facts = {
        _REASON: reason[:_LONGEST_REASON],
        f"{_REASON}-code": code,
        f"{_REASON}-attempts": str(attempts),
        f"{_REASON}-topic": record.topic,
        f"{_REASON}-partition": str(record.partition),
        f"{_REASON}-offset": str(record.offset),
    }
    # One that was written to the input topic again has those of the first time.
    own = [(name, value or b"") for name, value in record.headers if _is_kept(name.lower())]
    headers = own + [(name, text.encode("utf-8", "replace")) for name, text in facts.items()]
    return Reply(topic, record.key, record.value or b"", headers)


def _is_kept(name: str) -> bool:
    return not name.startswith(_REASON) and name != "authorization"


def without_value(reply: Reply) -> Reply:
    """Return a dead letter that says only where the message stands: for one that is too large to be written again."""
    kept = [(name, value) for name, value in reply.headers if name.startswith(_REASON)]
    return reply._replace(key=None, value=b"", headers=[*kept, (f"{_REASON}-value-bytes", b"%d" % len(reply.value))])


def _carried_on(message: Message, trace: Mapping[str, str] | None) -> Headers:
    if trace is not None:
        return [(name, value.encode("latin-1", "replace")) for name, value in trace.items()]
    return [(name, value) for name in TRACE_FIELDS if (value := message.header(name)) is not None]
