"""The telemetry of a worker: what it sees goes to the front, which has the exporters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from opentelemetry import metrics

from mlcore.telemetry.exporters import LOGS, TRACES
from mlcore.telemetry.forwarding import METRICS_API, ForwardedMeterProvider

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcore.telemetry.outbox import Outbox


def set_up_worker_telemetry(kinds: Iterable[str], outbox: Outbox) -> None:
    """Send to the front what it asks for.

    Args:
        kinds: The signals that somebody collects there.
        outbox: What sends it.
    """
    if TRACES in kinds or LOGS in kinds:
        from mlcore.telemetry.trouble import tame_opentelemetry

        tame_opentelemetry()
    if TRACES in kinds:
        _forward_spans(outbox)
    if METRICS_API in kinds:
        provider = ForwardedMeterProvider()
        metrics.set_meter_provider(provider)
        outbox.add_source(METRICS_API, provider.taken)
    if LOGS in kinds:
        from mlcore.telemetry.log_lines import LineHandler

        logging.getLogger().addHandler(LineHandler(lambda line: outbox.put(LOGS, line)))


def _forward_spans(outbox: Outbox) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

    from mlcore.telemetry.sampling import RequestSampler
    from mlcore.telemetry.spans import packed_span

    class ToTheFront(SpanProcessor):
        """Sends ended spans to the front."""

        def on_end(self, span: ReadableSpan) -> None:
            """Send one."""
            if span.context is not None and span.context.trace_flags.sampled:
                outbox.put(TRACES, packed_span(span))

    provider = TracerProvider(resource=Resource.get_empty(), shutdown_on_exit=False)
    provider.sampler = RequestSampler(provider.sampler)
    provider.add_span_processor(ToTheFront())
    trace.set_tracer_provider(provider)
