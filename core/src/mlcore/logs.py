"""Logging: structlog in front of the standard library, one line per event, with model, version and request id.

A library only logs: whoever runs the process decides where lines go. The `mlcore` program does that with
`set_up_logging`; a user who serves from Python keeps his own set-up.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

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


def set_up_logging(settings: Settings) -> None:
    """Send the log lines of mlcore, and warnings of everything else, to stderr, as text or as JSON."""
    renderer: list[Processor]
    if settings.use_structured_logging:
        renderer = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        renderer = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,  # the default prints local variables, so payloads
            )
        ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("mlcore").setLevel("DEBUG" if settings.debug else settings.log_level)


def _add_request(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    context = request_context.get()
    if context is not None:
        event.setdefault("model", context.model)
        if context.version is not None:
            event.setdefault("version", context.version)
        if context.request_id is not None:
            event.setdefault("request_id", context.request_id)
    return event
