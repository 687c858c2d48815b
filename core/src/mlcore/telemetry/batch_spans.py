"""The spans of requests that share a run of their model.

A request that waits has a span `batch` in its own trace. The run is in the trace of the first of its members, and
links to all of them, as they link to it: a span has one parent only. Nothing is imported before one is traced.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from opentelemetry.trace import Span


def joined_span() -> Span | None:
    """Begin the span of a request that waits for its run; `None` if it is not traced."""
    from mlcore.telemetry.tracing import is_traced, tracer

    return tracer().start_span("batch") if is_traced() else None


def use_span(span: Span) -> AbstractContextManager[Any]:
    """Let what is done for one request be within its span."""
    from opentelemetry import trace

    return trace.use_span(span, record_exception=False, set_status_on_exception=False)


def end_span(span: Span, answer: asyncio.Future[Any]) -> None:
    """End the span of a request with its answer, which may be an error."""
    from mlcore.telemetry.tracing import fail

    if answer.done() and not answer.cancelled() and (error := answer.exception()) is not None:
        fail(span, error)
    span.end()


@contextmanager
def shared_span(spans: list[Span], requests: int, rows: int, reason: str) -> Iterator[None]:
    """Let what is done for several requests be within a span that belongs to all of them.

    Args:
        spans: Those of the requests that are traced, at least one.
        requests: How many requests there are.
        rows: How many rows they have together.
        reason: Why they are run now.
    """
    from opentelemetry import trace

    from mlcore.telemetry.tracing import fail, tracer

    with tracer().start_as_current_span(
        "run",
        trace.set_span_in_context(spans[0]),
        attributes={"mlcore.batch.requests": requests, "mlcore.batch.rows": rows, "mlcore.batch.reason": reason},
        links=[trace.Link(span.get_span_context()) for span in spans],
        record_exception=False,
        set_status_on_exception=False,
    ) as run:
        for span in spans:
            if span.is_recording():  # its client may have gone
                span.add_link(run.get_span_context())
        try:
            yield
        except BaseException as error:
            fail(run, error)
            raise
