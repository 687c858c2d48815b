"""One loaded model, as an engine sees it: bytes in, bytes out."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec
from mlcore_protocol import InferenceResponse, Parameters

from mlcore.beginning import on_begin
from mlcore.deadline import too_late
from mlcore.declared_inputs import input_check_of
from mlcore.engine import Answer
from mlcore.errors import (
    InternalError,
    MLCoreError,
    OutputNotFoundError,
    UnsupportedMediaTypeError,
)
from mlcore.logs import RequestContext, get_logger, request_context
from mlcore.methods import call_method, is_cancelled
from mlcore.own_modules import forget
from mlcore.request_parameters import priority_of, timeout_s_of
from mlcore.telemetry.owner import model_owner
from mlcore.telemetry.steps import Steps

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from concurrent.futures import ThreadPoolExecutor

    from mlcore_protocol import InferenceRequest, ModelMetadata, WireFormat

    from mlcore.engine import Call
    from mlcore.model import MLModel
    from mlcore.predict import Predict, Stream

log = get_logger("mlcore.host")


class HostedModel:
    """One loaded model: bytes in, bytes out.

    Args:
        model: The model.
        metadata: What it says of itself.
        predict: Its composed predict.
        stream: Its composed predict_stream.
        formats: The wire formats, by media type.
        threads: Where its plain methods run.
    """

    def __init__(
        self,
        model: MLModel,
        metadata: ModelMetadata,
        predict: Predict,
        stream: Stream,
        formats: dict[str, WireFormat],
        threads: ThreadPoolExecutor,
    ) -> None:
        self._model = model
        self._name = model.name
        self._version = model.version
        self._is_batched = model.settings.max_batch_size > 1
        self._declared = metadata.inputs
        self._check_inputs = input_check_of(model)
        self._predict = predict
        self._stream = stream
        self._formats = formats
        self._threads = threads
        self._owner = model_owner.get()
        self._late: set[asyncio.Task[Any]] = set()

    async def infer(self, call: Call) -> Answer:
        """Answer one call.

        Raises:
            MLCoreError: The request is wrong, or the model failed.
        """
        steps, wire_format, request, deadline = self._decoded(call)
        try:
            if deadline is None or deadline == call.deadline:
                # The front keeps the time: it cancels, and counts the call as under way until a thread is done with it.
                response = await self._predict(request)
            else:
                response = await self._in_time(call, request, deadline)
        except MLCoreError:
            raise
        except BaseException as error:  # a model may raise anything, and its process lives on
            raise self._failure("predict", error) from error
        steps.ended = time.monotonic()
        return self._encoded(steps, wire_format, request, response, "predict")

    async def stream(self, call: Call) -> AsyncGenerator[Answer, None]:
        """Answer one call with several answers.

        Raises:
            MLCoreError: The request is wrong, or the model failed.
        """
        steps, wire_format, request, deadline = self._decoded(call)
        try:
            async with aclosing(self._stream(request)) as responses:
                answers = responses if deadline is None else _in_time(call, responses, deadline)
                async for response in answers:
                    steps.ended = time.monotonic()
                    steps.begun = steps.begun or steps.decoded
                    own = msgspec.structs.replace(steps)
                    yield self._encoded(own, wire_format, request, response, "predict_stream")
        except MLCoreError:
            raise
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            raise self._failure("predict_stream", error) from error

    async def unload(self) -> None:
        """Let the model go. An error of its `unload` is logged; it is gone all the same."""
        self._model.ready = False
        model_owner.set(self._owner)
        if self._late:  # requests that were too late, and that a thread still works on
            await asyncio.wait(self._late)
        try:
            await call_method(self._model.unload, self._threads)
        except (Exception, SystemExit):  # a user's unload may raise anything
            log.exception("unload() failed", model=self._name, version=self._version)
        finally:
            self._threads.shutdown(wait=False)
            forget(type(self._model))

    async def _in_time(self, call: Call, request: InferenceRequest, deadline: float) -> Any:
        """Predict, unless it takes longer than the request says, where the front has not seen that.

        The answer does not wait for a plain predict, which cannot be stopped; its thread is free when it ends.
        """
        work = asyncio.ensure_future(self._predict(request))
        try:
            done, _ = await asyncio.wait({work}, timeout=max(0.0, deadline - time.monotonic()))
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait({work})
            raise
        if done:
            return work.result()
        work.cancel()
        self._late.add(work)
        work.add_done_callback(self._forget_late)
        raise too_late(call.arrived, deadline)

    def _forget_late(self, work: asyncio.Task[Any]) -> None:
        self._late.discard(work)
        if not work.cancelled():
            work.exception()  # taken: nobody waits for it any more

    def _decoded(self, call: Call) -> tuple[Steps, WireFormat, InferenceRequest, float | None]:
        """Return the steps so far, the wire format, the request, and when its answer is of no use any more.

        Raises:
            InferenceError: The request is wrong.
            DeadlineExceededError: It is so late already.
        """
        steps = Steps(time.monotonic(), is_batched=self._is_batched)
        wire_format = self._formats.get(call.media_type)
        if wire_format is None:
            raise UnsupportedMediaTypeError(
                f"the media type '{call.media_type[:64]}' is not one of {', '.join(self._formats)}"
            )
        request = wire_format.decode(call.body, call.head_length, self._declared)
        if self._check_inputs is not None:
            self._check_inputs(request)
        if request.id is None:
            request.id = call.request_id or str(uuid.uuid4())
        request_context.set(RequestContext(self._name, self._version, request.id))
        deadline = call.deadline
        if request.parameters:
            priority_of(request.parameters)
            timeout_s = timeout_s_of(request.parameters)
            if timeout_s is not None and (deadline is None or call.arrived + timeout_s < deadline):
                deadline = call.arrived + timeout_s
        if deadline is not None and time.monotonic() >= deadline:
            raise too_late(call.arrived, deadline)
        if call.headers:
            if request.parameters is None:
                request.parameters = Parameters()
            request.parameters["headers"] = _text_headers(call.headers)
        elif request.parameters:
            request.parameters.pop("headers", None)  # what a client writes there is no header
        model_owner.set(self._owner)
        on_begin.set(_noting(steps, call.on_begin))
        steps.decoded = time.monotonic()
        return steps, wire_format, request, deadline

    def _encoded(
        self, steps: Steps, wire_format: WireFormat, request: InferenceRequest, response: Any, step: str
    ) -> Answer:
        if type(response) is not InferenceResponse and not isinstance(response, InferenceResponse):
            raise InternalError(
                f"the model '{self._name}' returned a {type(response).__name__} from {step}; it has to return an "
                "InferenceResponse, or use decode_args"
            )
        parameters, headers = response.parameters, None
        if parameters and "headers" in parameters:
            parameters = Parameters(parameters)  # the model may keep its response, and give it again
            headers = parameters.pop("headers")
        try:
            response = InferenceResponse(
                model_name=self._name,
                model_version=self._version if self._version is not None else response.model_version,
                id=request.id,
                parameters=parameters,
                outputs=response.outputs if not request.outputs else _wanted(request, response),
            )
            encoded = wire_format.encode(response, request)
        except MLCoreError:
            raise
        except Exception as error:  # a response may hold anything that a model put there
            raise self._failure("encode", error) from error
        steps.encoded = time.monotonic()
        return Answer(encoded.media_type, encoded.buffers, encoded.head_length, headers, steps)

    def _failure(self, step: str, error: BaseException) -> InternalError:
        """Log what a model raised, and return what the client is told; a request that is cancelled stays so."""
        if isinstance(error, asyncio.CancelledError) and is_cancelled():
            raise error
        error_id = secrets.token_hex(6)
        log.error("the model failed", step=step, error_id=error_id, exc_info=error)
        return InternalError(
            f"the model '{self._name}' failed on this request; the server's log has the details, error id {error_id}"
        )


def _noting(steps: Steps, told: Callable[[str], None] | None) -> Callable[[str], None]:
    """Return what takes note of when the model begins, and tells whoever else wants to know."""

    def begin(request_id: str) -> None:
        if not steps.begun:  # a batch that fails begins again, one by one
            steps.begun = time.monotonic()
        if told is not None:
            told(request_id)

    return begin


async def _in_time(
    call: Call, responses: AsyncGenerator[InferenceResponse, None], deadline: float
) -> AsyncGenerator[InferenceResponse, None]:
    """Pass responses on until the deadline."""
    while True:
        limit = asyncio.timeout(max(0.0, deadline - time.monotonic()))
        try:
            async with limit:
                response = await anext(responses)
        except StopAsyncIteration:
            return
        except TimeoutError:
            if not limit.expired():
                raise  # the model's own
            raise too_late(call.arrived, deadline) from None
        yield response


def _wanted(request: InferenceRequest, response: InferenceResponse) -> list[Any]:
    outputs = {output.name: output for output in response.outputs}
    wanted = []
    for asked in request.outputs or ():
        output = outputs.get(asked.name)
        if output is None:
            raise OutputNotFoundError(
                f"outputs: '{asked.name[:64]}' is not an output of this model; it has "
                f"{', '.join(repr(name) for name in outputs) or 'none'}"
            )
        wanted.append(output)
    return wanted


def _text_headers(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
