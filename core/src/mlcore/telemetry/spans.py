"""Ended spans as plain data, on their way from a worker to the front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.resources import Resource

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode

# What fits into a whole number of the format, and of OTLP.
_LARGEST = 2**63


def packed_span(span: ReadableSpan) -> bytes:
    """Return an ended span as plain data."""
    assert span.context is not None, "the SDK gives each span one"
    scope = span.instrumentation_scope
    return _encode(
        [
            span.name,
            _context(span.context),
            _context(span.parent) if span.parent is not None else None,
            _attributes(span.attributes),
            [[event.name, event.timestamp, _attributes(event.attributes)] for event in span.events],
            [[_context(link.context), _attributes(link.attributes)] for link in span.links],
            span.kind.value,
            [span.status.status_code.value, span.status.description],
            span.start_time,
            span.end_time,
            [scope.name, scope.version, scope.schema_url] if scope is not None else None,
        ]
    )


def unpacked_span(packed: bytes, resource: Resource) -> ReadableSpan:
    """Return the span that the data says.

    Args:
        packed: What `packed_span` returned.
        resource: What made it.
    """
    name, context, parent, attributes, events, links, kind, status, start, end, scope = _decode(packed)
    return ReadableSpan(
        name,
        context=_context_of(context),
        parent=_context_of(parent) if parent is not None else None,
        resource=resource,
        attributes=attributes,
        events=[Event(name, attributes, timestamp) for name, timestamp, attributes in events],
        links=[Link(_context_of(context), attributes) for context, attributes in links],
        kind=SpanKind(kind),
        status=Status(StatusCode(status[0]), status[1]),
        start_time=start,
        end_time=end,
        instrumentation_scope=InstrumentationScope(*scope) if scope is not None else None,
    )


def _context(context: SpanContext) -> list[Any]:
    trace_id = context.trace_id.to_bytes(16)
    return [trace_id, context.span_id, context.is_remote, int(context.trace_flags), list(context.trace_state.items())]


def _context_of(facts: list[Any]) -> SpanContext:
    trace_id, span_id, is_remote, flags, state = facts
    return SpanContext(
        int.from_bytes(trace_id), span_id, is_remote, TraceFlags(flags), TraceState([tuple(item) for item in state])
    )


def _attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: _plain(value) for name, value in (attributes or {}).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(element) for element in value]
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    return str(value)
