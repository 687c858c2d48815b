"""A hosted model whose steps are spans, for the calls that are traced; made only where somebody collects."""

from __future__ import annotations

import inspect
from contextlib import aclosing
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import trace
from opentelemetry.context import attach, detach

from mlcore.hosted_model import HostedModel
from mlcore.telemetry.tracing import carried, fail, is_traced, step, tracer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from mlcore_protocol import InferenceRequest
    from opentelemetry.context import Context

    from mlcore.engine import Answer, Call
    from mlcore.predict import Stream

T = TypeVar("T")


class TracedModel(HostedModel):
    """A hosted model; see there."""

    async def infer(self, call: Call) -> Answer:
        """Answer one call."""
        if call.trace is None:
            return await super().infer(call)
        token = attach(carried(call.trace))
        try:
            return await super().infer(call)
        finally:
            detach(token)

    def stream(self, call: Call) -> AsyncGenerator[Answer, None]:
        """Answer one call with several answers. Encoding them is within the one span of the stream."""
        answers = super().stream(call)
        return answers if call.trace is None else _within(carried(call.trace), answers)

    def _decoded(self, call: Call) -> Any:
        if call.trace is None:
            return super()._decoded(call)
        with step("decode"):
            return super()._decoded(call)

    def _encoded(self, *facts: Any) -> Answer:
        if facts[-1] == "predict_stream" or not is_traced():
            return super()._encoded(*facts)
        with step("encode"):
            return super()._encoded(*facts)


def traced_method(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a model's `predict` with a span around it, which those that the model makes are within."""
    if inspect.iscoroutinefunction(method):

        @wraps(method)
        async def awaited(request: InferenceRequest) -> Any:
            if not is_traced():
                return await method(request)
            with step("predict"):
                return await method(request)

        return awaited

    @wraps(method)
    def called(request: InferenceRequest) -> Any:
        if not is_traced():
            return method(request)
        with step("predict"):
            return method(request)

    return called


def traced_stream(stream: Stream) -> Stream:
    """Return a model's `predict_stream` with one span around it."""

    def traced(request: InferenceRequest) -> AsyncGenerator[Any, None]:
        return _counted(stream(request)) if is_traced() else stream(request)

    return traced


async def _counted(answers: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    span = tracer().start_span("predict")
    count = 0
    try:
        async with aclosing(_within(trace.set_span_in_context(span), answers)) as steps:
            async for answer in steps:
                count += 1
                yield answer
    except GeneratorExit:  # whoever asked has had enough
        raise
    except BaseException as error:
        fail(span, error)
        raise
    finally:
        span.add_event("answers", {"mlcore.answers": count})
        span.end()


async def _within(context: Context, answers: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Pass answers on, each of which is made within a context that whoever takes them does not see."""
    try:
        while True:
            token = attach(context)
            try:
                answer = await anext(answers)
            except StopAsyncIteration:
                return
            finally:
                detach(token)
            yield answer
    finally:
        await answers.aclose()
