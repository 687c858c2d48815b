"""Log lines as plain data, and as records of the OpenTelemetry SDK."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

import msgspec

from mlcore.logs import request_facts, trace_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import LoggerProvider

# What a record of the standard library has by itself; the rest are the line's values.
_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Source: OpenTelemetry, logs data model, severity of other formats.
_SEVERITIES = ((50, 21, "FATAL"), (40, 17, "ERROR"), (30, 13, "WARN"), (20, 9, "INFO"), (0, 5, "DEBUG"))
_LONGEST = 16 * 1024

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class LineHandler(logging.Handler):
    """Hands on each log line as plain data, with the request and the span that it belongs to.

    Args:
        take: What takes it, in whatever thread the line is written.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        super().__init__()
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on a line; as any handler, without failing."""
        try:
            self._take(packed_line(record))
        except Exception:  # a record may hold anything
            self.handleError(record)


def packed_line(record: logging.LogRecord) -> bytes:
    """Return a line as plain data."""
    values = {name: value for name, value in vars(record).items() if name not in _RESERVED}
    values = {**request_facts(), **values}
    if record.exc_info and record.exc_info[0] is not None:
        values["exception.type"] = record.exc_info[0].__name__
        values["exception.message"] = str(record.exc_info[1])
        values["exception.stacktrace"] = "".join(traceback.format_exception(*record.exc_info))
    plain = {name: _plain(value) for name, value in values.items() if value is not None}
    span = trace_facts()
    ids = (bytes.fromhex(span["trace_id"]), bytes.fromhex(span["span_id"])) if span else None
    return _encode([int(record.created * 1e9), record.levelno, record.name, _plain(record.getMessage()), plain, ids])


class LineRecords:
    """Makes records of the SDK of lines, and gives them to a provider."""

    def __init__(self, provider: LoggerProvider) -> None:
        self._provider = provider

    def emit(self, packed: bytes, pid: int | None = None) -> None:
        """Give one line to the provider.

        Args:
            packed: What `packed_line` returned.
            pid: The process that wrote it, if it was another one.
        """
        from opentelemetry import trace
        from opentelemetry._logs import LogRecord, SeverityNumber
        from opentelemetry.context import Context

        time_ns, level, name, text, values, ids = _decode(packed)
        number, severity = next((number, word) for least, number, word in _SEVERITIES if level >= least)
        context = Context()
        if ids is not None:
            trace_id, span_id = map(int.from_bytes, ids)
            parent = trace.SpanContext(trace_id, span_id, True, trace.TraceFlags(trace.TraceFlags.SAMPLED))
            context = trace.set_span_in_context(trace.NonRecordingSpan(parent), context)
        if pid is not None:
            values["process.pid"] = pid
        self._provider.get_logger(name).emit(
            LogRecord(
                timestamp=time_ns,
                context=context,
                severity_text=severity,
                severity_number=SeverityNumber(number),
                body=text,
                attributes=values,
            )
        )


def _plain(value: Any) -> Any:
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    text = value if isinstance(value, str) else repr(value)
    return text[:_LONGEST].encode("utf-8", "replace").decode()
