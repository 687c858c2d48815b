"""A model's `predict` and `predict_stream` as the callables that requests run: composed once, when it is loaded."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from mlcore_protocol import InferenceRequest, InferenceResponse

from mlcore.beginning import begins
from mlcore.errors import InternalError
from mlcore.methods import call_method, in_context, in_thread, is_cancelled
from mlcore.model import MLModel

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Predict = Callable[[InferenceRequest], Awaitable[InferenceResponse]]
"""What wrappers take and give, and what a model host calls."""

Stream = Callable[[InferenceRequest], AsyncGenerator[InferenceResponse, None]]

_END = object()


def is_async(model: MLModel | type[MLModel]) -> bool:
    """Say whether the predict of a model, or of a class of models, runs on the event loop, rather than in a thread."""
    return inspect.iscoroutinefunction(model.predict)


def streams_itself(model: MLModel) -> bool:
    """Say whether a model has a `predict_stream` of its own."""
    return getattr(model.predict_stream, "__func__", None) is not MLModel.predict_stream


def own_predict(
    model: MLModel, threads: Executor, max_concurrency: int | None = None, method: Callable[..., Any] | None = None
) -> Predict:
    """Return the model's predict, whatever kind of function it is.

    When it is cancelled, it ends when the model's work has ended; at once, if it is cancelled again.

    Args:
        model: The model.
        threads: Where a plain predict runs.
        max_concurrency: How many requests an async one works on at once.
        method: What is called in the place of the model's `predict`, such as that with a span around it.
    """
    method = method or model.predict
    if not is_async(model):
        return _threaded(method, threads)
    return _begun(method) if max_concurrency is None else _limited(_begun(method), max_concurrency)


def composed_stream(model: MLModel, threads: Executor, predict: Predict) -> Stream:
    """Return the model's predict_stream, whatever kind of function it is; without one, that of `predict`.

    An async generator runs on the loop. A plain generator, or a function that returns any iterable, runs in the
    model's threads, one step after another.
    """
    method = model.predict_stream
    if not streams_itself(model):
        return _one_answer(predict)
    if inspect.isasyncgenfunction(method):
        return lambda request: method(_Payloads(request))

    async def stream(request: InferenceRequest) -> AsyncGenerator[InferenceResponse, None]:
        answers = await call_method(method, threads, _Payloads(request))
        if hasattr(answers, "__aiter__"):
            steps = _passed_on(answers)
        elif hasattr(answers, "__iter__"):
            steps = _stepped(iter(answers), threads)
        else:
            raise InternalError(f"predict_stream returned a {type(answers).__name__}; it has to yield responses")
        async with aclosing(steps):
            async for answer in steps:
                yield answer

    return stream


class _Payloads:
    """The requests of one stream, for `async for` as for `for`: exactly one."""

    def __init__(self, request: InferenceRequest) -> None:
        self._left = [request]

    def __aiter__(self) -> _Payloads:
        return self

    async def __anext__(self) -> InferenceRequest:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()

    def __iter__(self) -> _Payloads:
        return self

    def __next__(self) -> InferenceRequest:
        if not self._left:
            raise StopIteration
        return self._left.pop()


def _begun(predict: Predict) -> Predict:
    async def begun(request: InferenceRequest) -> InferenceResponse:
        begins(request.id)
        return await predict(request)

    return begun


def _limited(predict: Predict, max_concurrency: int) -> Predict:
    gate = asyncio.Semaphore(max_concurrency)

    async def limited(request: InferenceRequest) -> InferenceResponse:
        async with gate:
            return await predict(request)

    return limited


def _threaded(predict: Callable[[InferenceRequest], Any], threads: Executor) -> Predict:
    """Run a plain predict in the model's threads, never on the loop."""
    loop = asyncio.get_running_loop()

    def begun(request: InferenceRequest) -> Any:
        begins(request.id)
        return predict(request)

    async def in_threads(request: InferenceRequest) -> InferenceResponse:
        work = threads.submit(in_context(begun, request))
        try:
            response = await asyncio.wrap_future(work, loop=loop)
        except asyncio.CancelledError:
            if is_cancelled() and not work.cancel():
                await _over(work)
            raise
        if inspect.isawaitable(response):  # a plain function that hands an async one's result through
            response = await response
        return response  # type: ignore[no-any-return]  # what it is, is checked before it is encoded

    return in_threads


async def _over(work: Future[Any]) -> None:
    """Wait until a thread has done its work, whatever comes of it."""
    over = asyncio.get_running_loop().create_future()

    def tell() -> None:
        if not over.done():
            over.set_result(None)

    loop = asyncio.get_running_loop()
    work.add_done_callback(lambda _: loop.call_soon_threadsafe(tell))
    await over


def _one_answer(predict: Predict) -> Stream:
    async def stream(request: InferenceRequest) -> AsyncGenerator[InferenceResponse, None]:
        yield await predict(request)

    return stream


async def _passed_on(answers: Any) -> AsyncGenerator[InferenceResponse, None]:
    try:
        async for answer in answers:
            yield answer
    finally:
        if hasattr(answers, "aclose"):
            await answers.aclose()


async def _stepped(answers: Any, threads: Executor) -> AsyncGenerator[InferenceResponse, None]:
    try:
        while (answer := await in_thread(threads, next, answers, _END)) is not _END:
            yield answer
    finally:
        close = getattr(answers, "close", None)
        if close is not None:
            threads.submit(close)  # not waited for: the step that is under way may take long
