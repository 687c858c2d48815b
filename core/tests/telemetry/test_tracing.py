"""Which requests are traced, where their traces come from, and how spans travel."""

from __future__ import annotations

import pytest
from mlcore.logs import RequestContext, request_context
from mlcore.telemetry import tracing
from mlcore.telemetry.sampling import RequestSampler, decided
from mlcore.telemetry.spans import packed_span, unpacked_span
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBased,
    ParentBasedTraceIdRatio,
    TraceIdRatioBased,
)

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
RECORDED = [(b"traceparent", f"00-{TRACE_ID}-00f067aa0ba902b7-01".encode())]
NOT_RECORDED = [(b"traceparent", f"00-{TRACE_ID}-00f067aa0ba902b7-00".encode())]
FROM_A_LATER_VERSION = [(b"traceparent", f"01-{TRACE_ID}-00f067aa0ba902b7-01-more".encode())]


@pytest.fixture
def traced(monkeypatch):
    """Return a function that makes `Tracing` with a sampler, as a program or a user sets it up."""

    def traced(sampler, is_ours=True):
        provider = TracerProvider(sampler=RequestSampler(sampler) if is_ours else sampler)
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
        tracing.tracer.cache_clear()
        return tracing.Tracing()

    yield traced
    tracing.tracer.cache_clear()


def span_of(traced, headers):
    """Return the span that a request gets, if it is traced."""
    context = traced.context_of(headers)
    if context is None:
        return None
    with traced.server_span("POST", context, {}) as span:
        return span if span.is_recording() else None


@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize(
    ("sampler", "of_none", "of_recorded", "of_not_recorded"),
    [
        (DEFAULT_ON, True, True, False),
        (DEFAULT_OFF, False, True, False),
        (ALWAYS_ON, True, True, True),
        (ALWAYS_OFF, False, False, False),
        (ParentBasedTraceIdRatio(1.0), True, True, False),
        (ParentBasedTraceIdRatio(0.0), False, True, False),
        (TraceIdRatioBased(1.0), True, True, True),
        (ParentBased(ALWAYS_ON, remote_parent_sampled=ALWAYS_OFF), True, False, False),
    ],
)
def test_the_sampler_decides(traced, sampler, is_ours, of_none, of_recorded, of_not_recorded):
    tracing = traced(sampler, is_ours)

    assert (span_of(tracing, []) is not None) == of_none
    assert (span_of(tracing, RECORDED) is not None) == of_recorded
    assert (span_of(tracing, NOT_RECORDED) is not None) == of_not_recorded


def test_a_ratio_is_the_fraction_of_requests_that_are_traced(traced):
    tracing = traced(ParentBasedTraceIdRatio(0.25))

    found = [span_of(tracing, []) for _ in range(2000)]
    assert 400 < sum(span is not None for span in found) < 600


def test_what_is_never_traced_is_known_beforehand(traced):
    assert traced(ALWAYS_OFF).is_off
    assert not traced(DEFAULT_OFF).is_off, "a client may want it"


@pytest.mark.parametrize("headers", [RECORDED, FROM_A_LATER_VERSION])
def test_a_trace_goes_on(traced, headers):
    span = span_of(traced(DEFAULT_ON), headers)

    assert f"{span.context.trace_id:032x}" == TRACE_ID
    assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "value", [b"", b"00", b"x" * 100_000, b"\xff\x00\r\n", b"ff-" + RECORDED[0][1][3:], RECORDED[0][1] + b"-more"]
)
def test_a_trace_that_cannot_be_read_is_a_new_one(traced, value):
    span = span_of(traced(DEFAULT_ON), [(b"traceparent", value), (b"tracestate", b"\x00=,=" * 50)])

    assert span.parent is None


def test_two_traces_of_one_request_are_none(traced):
    assert span_of(traced(DEFAULT_ON), RECORDED * 2).parent is None


def test_state_and_baggage_travel_to_another_process(traced):
    headers = [*RECORDED, (b"tracestate", b"a=1"), (b"tracestate", b"b=2"), (b"baggage", b"user=me")]
    tracing_ = traced(DEFAULT_ON)
    with tracing_.server_span("POST", tracing_.context_of(headers), {}) as span:
        there = tracing.carried(tracing.carrier())

    found = trace.get_current_span(there).get_span_context()
    assert (found.span_id, found.is_remote) == (span.context.span_id, True)
    assert found.trace_state.to_header() == "a=1,b=2"
    assert tracing.carrier() is None, "what is not traced carries nothing"


def test_what_a_model_does_for_a_request_that_is_not_traced_is_not_recorded():
    tracer = TracerProvider(sampler=RequestSampler(DEFAULT_ON)).get_tracer("mine")
    assert tracer.start_span("on its own").is_recording()

    token = request_context.set(RequestContext("m", None, None))
    within, chosen = tracer.start_span("within"), tracer.start_span("chosen", decided(Context()))
    request_context.reset(token)

    assert not within.is_recording()
    assert chosen.is_recording()


def test_a_failure_is_noted_without_its_text():
    span = TracerProvider().get_tracer("x").start_span("x")
    tracing.fail(span, ValueError("payload"))

    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.attributes["error.type"] == "ValueError"
    assert [(event.name, dict(event.attributes)) for event in span.events] == [
        ("exception", {"exception.type": "ValueError"})
    ]


def test_a_span_arrives_as_it_was_sent():
    ended = []

    class Taking(SpanProcessor):
        def on_end(self, span):
            ended.append(span)

    provider = TracerProvider(resource=Resource.get_empty())
    provider.add_span_processor(Taking())
    tracer = provider.get_tracer("mine", "1.0", "https://schema")
    with tracer.start_as_current_span("parent") as parent:
        span = tracer.start_span("name", kind=trace.SpanKind.CLIENT, links=[trace.Link(parent.context, {"a": 1})])
        span.set_attributes({"text": "x", "number": 2**40, "large": 2**70, "flag": True, "list": [1.5, 2.5]})
        span.add_event("event", {"b": "c"}, 17)
        span.set_status(trace.StatusCode.ERROR, "why")
        span.end()

    before, resource = ended[0], Resource({"process.pid": 1})
    after = unpacked_span(packed_span(before), resource)
    for name in ("name", "context", "parent", "kind", "start_time", "end_time", "instrumentation_scope"):
        assert getattr(after, name) == getattr(before, name)
    assert (after.status.status_code, after.status.description) == (trace.StatusCode.ERROR, "why")
    assert after.attributes == {"text": "x", "number": 2**40, "large": str(2**70), "flag": True, "list": [1.5, 2.5]}
    assert [(event.name, event.attributes, event.timestamp) for event in after.events] == [("event", {"b": "c"}, 17)]
    assert [(link.context, link.attributes) for link in after.links] == [(parent.context, {"a": 1})]
    assert after.resource is resource
