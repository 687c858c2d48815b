"""The traces of requests: which are traced, where one comes from, and how it goes on in a worker.

Importing this module imports the API of OpenTelemetry's traces: only where `mlcore.telemetry.is_tracing`.
"""

from __future__ import annotations

import contextvars
import random
import re
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, attach, detach
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.trace import Span, Tracer

TRACEPARENT = "traceparent"
# Source: W3C Trace Context, section 3.2; the last two digits are the flags.
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]([0-9a-f])(?:-.*)?")
# Baggage may have as many bytes, by its specification; what is longer is not read.
_LONGEST = 8192

_between_processes = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])


class Tracing:
    """The traces of this process' requests. Made when a transport starts, never during a request."""

    def __init__(self) -> None:
        sampler = getattr(trace.get_tracer_provider(), "sampler", None)
        # A provider of the user's is asked at each request.
        self._ratio: float | None = getattr(sampler, "ratio", None)
        self._follows_parents: bool = getattr(sampler, "follows_parents", False)
        propagator = propagate.get_global_textmap()
        self._fields = {field.encode().lower(): field.lower() for field in propagator.fields}
        self._is_w3c = TRACEPARENT in propagator.fields
        self._extract = propagator.extract
        self.tracer = tracer()

    @property
    def is_off(self) -> bool:
        """Whether no request is ever traced."""
        return self._ratio == 0 and not self._follows_parents

    def context_of(self, headers: Iterable[tuple[bytes, bytes]]) -> Context | None:
        """Return where a request's trace comes from, or `None` if the request is not traced.

        Args:
            headers: The client's, names in lower case.
        """
        carrier: dict[str, str] = {}
        for name, value in headers:
            if name in self._fields and len(value) <= _LONGEST:
                if self._is_w3c and self._follows_parents and name == b"traceparent":
                    found = _TRACEPARENT.fullmatch(value)
                    if found and not int(found[1], 16) & 1:
                        return None  # whoever began this trace does not record it
                field = self._fields[name]
                text = value.decode("latin-1")
                carrier[field] = f"{carrier[field]},{text}" if field in carrier else text
        context = self._extract(carrier) if carrier else None
        if context is not None:
            client = trace.get_current_span(context).get_span_context()
            if client.is_valid and self._follows_parents:
                return context if client.trace_flags.sampled else None
        if self._ratio is None or (context is not None and not self._follows_parents):
            return context if context is not None else Context()
        if random.random() >= self._ratio:  # noqa: S311  # nobody gains anything from knowing
            return None
        from mlcore.telemetry.sampling import decided

        return decided(context)

    def begin(self, name: str, context: Context, attributes: dict[str, Any]) -> Span:
        """Begin the span of a request; whoever began it ends it. The arguments are those of `server_span`."""
        return self.tracer.start_span(name, context, trace.SpanKind.SERVER, attributes)

    @contextmanager
    def server_span(self, name: str, context: Context, attributes: dict[str, Any]) -> Iterator[Span]:
        """Let a request be within a span; how it ended, the transport says.

        Args:
            name: By the conventions of its protocol.
            context: Where the trace comes from, as `context_of` returned it.
            attributes: The same.
        """
        with _within(self.begin(name, context, attributes), context) as span:
            yield span

    @contextmanager
    def consumer_span(self, name: str, context: Context, attributes: dict[str, Any]) -> Iterator[Span]:
        """Let the work on a message of a broker be within a span; like `server_span`."""
        with _within(self.tracer.start_span(name, context, trace.SpanKind.CONSUMER, attributes), context) as span:
            yield span


@contextmanager
def _within(span: Span, context: Context) -> Iterator[Span]:
    token = attach(trace.set_span_in_context(span, context))
    try:
        yield span
    finally:
        detach(token)
        span.end()


def is_traced() -> bool:
    """Say whether what is done now belongs to a trace that is recorded."""
    return trace.get_current_span().get_span_context().trace_flags.sampled


@lru_cache(1)
def tracer() -> Tracer:
    """Return what makes the server's own spans."""
    return trace.get_tracer("mlcore")


@contextmanager
def step(name: str) -> Iterator[Span]:
    """Make a span of what is done within this context. The SDK's own way to do that takes twice the time."""
    span = tracer().start_span(name)
    token = attach(trace.set_span_in_context(span))
    try:
        yield span
    except BaseException as error:
        fail(span, error)
        raise
    finally:
        detach(token)
        span.end()


def carrier() -> dict[str, str] | None:
    """Return what takes the current trace to another process; `None` if there is none that is recorded."""
    if not trace.get_current_span().is_recording():
        return None
    found: dict[str, str] = {}
    _between_processes.inject(found)
    return found


def carried(found: dict[str, str]) -> Context:
    """Return the context that `carrier` took along."""
    return _between_processes.extract(found, Context())


def task_context(span: Span, context: Context) -> contextvars.Context:
    """Return what a task runs in whose work is within a span."""
    own = contextvars.copy_context()
    own.run(attach, trace.set_span_in_context(span, context))
    return own


def fail(span: Span, error: BaseException | str) -> None:
    """Note on a span that it failed, and how; not with what, for a message may quote a payload."""
    kind = error if isinstance(error, str) else type(error).__name__
    span.set_status(trace.StatusCode.ERROR, kind)
    span.set_attribute("error.type", kind)
    if not isinstance(error, str):
        span.add_event("exception", {"exception.type": _qualified(type(error))})


def _qualified(kind: type[Any]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
