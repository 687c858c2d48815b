"""Logging: structlog in front of the standard library, one line per event, with model, version and request id.

A library only logs: whoever runs the process decides where lines go. The `mlcore` program does that with
`set_up_logging`; a user who serves from Python keeps his own set-up.
"""

from __future__ import annotations

import io
import logging
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec

from mlcore.lean_structlog import structlog
from mlcore.log_output import LogOutput

if TYPE_CHECKING:
    from typing import TextIO

    from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

    from mlcore.settings import Settings


class RequestContext(msgspec.Struct, frozen=True):
    """What every log line of a request carries."""

    model: str
    version: str | None
    request_id: str | None


request_context: ContextVar[RequestContext | None] = ContextVar("mlcore_request", default=None)
"""The request that this code works for; a plain variable, because binding a logger costs microseconds."""


def get_logger(name: str) -> Any:
    """Return a logger whose lines are records of the standard library, their values in `extra`."""
    return structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, _add_request, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def request_facts() -> dict[str, str]:
    """Return what a line that is written now carries of the request that it is written for."""
    context = request_context.get()
    if context is None:
        return {}
    facts = {"model": context.model, "version": context.version, "request_id": context.request_id}
    return {name: value for name, value in facts.items() if value is not None}


def trace_facts() -> dict[str, str]:
    """Return the ids of the trace and the span that a line which is written now belongs to, if there is one."""
    trace = sys.modules.get("opentelemetry.trace")  # not imported for this: without it, there is no span
    if trace is None:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def set_up_logging(settings: Settings) -> None:
    """Send the log lines of mlcore, and warnings of everything else, to stderr; then do what `logging_settings` say.

    Raises:
        SettingsError: They are wrong.
    """
    handler = LogOutput(sys.stderr)
    handler.setFormatter(line_formatter(settings.use_structured_logging))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("mlcore").setLevel("DEBUG" if settings.debug else settings.log_level)
    logging.captureWarnings(True)
    if settings.logging_settings is not None:
        from mlcore.logging_settings import apply_logging_settings

        apply_logging_settings(settings.logging_settings)


def line_formatter(is_structured: bool = False) -> logging.Formatter:
    """Return what writes a line as mlcore does, with its values; `logging_settings` may name it as a formatter's `()`.

    Args:
        is_structured: Whether lines are JSON, rather than text.
    """
    renderer: list[Processor]
    if is_structured:
        renderer = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=_shown)]
    else:
        renderer = [
            _keep_to_one_line,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=_write_traceback,
            ),
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            *([structlog.stdlib.add_logger_name] if is_structured else []),
            structlog.stdlib.ExtraAdder(),
            _add_request,
            _add_trace,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    )


def one_line(text: str) -> str:
    """Return a text without what could end a line, or say something to a terminal."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _add_request(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    for name, value in request_facts().items():
        event.setdefault(name, value)
    return event


def _add_trace(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event.update(trace_facts())
    return event


def _keep_to_one_line(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Escape what clients may have put into values; what a library writes in several lines is set off from others."""
    for name, value in event.items():
        if name == "event":
            event[name] = "\n    ".join(map(one_line, str(value).rstrip("\n").split("\n")))
        elif isinstance(value, str) and not value.isprintable():
            event[name] = one_line(value)
    return event


def _write_traceback(out: TextIO, error: ExcInfo) -> None:
    """Write a traceback without local variables, which would show payloads."""
    written = io.StringIO()
    structlog.dev.plain_traceback(written, error)
    out.write("\n".join(map(one_line, written.getvalue().split("\n"))))


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _shown(value: Any) -> str:
    return repr(value)
