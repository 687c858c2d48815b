"""The model host: the back of the data plane, next to the models. Bytes to tensors, predict, bytes.

It knows no client and no socket. An engine puts one wherever models live: in the server's own process, in a worker.
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from mlcore_protocol import InferenceResponse, ModelMetadata, Parameters

from mlcore.codecs.typed_arguments import PREPARE
from mlcore.engine import Answer, LoadedModel
from mlcore.errors import (
    InternalError,
    MLCoreError,
    ModelLoadError,
    OutputNotFoundError,
    UnsupportedMediaTypeError,
)
from mlcore.imports import import_object
from mlcore.loading import make_model, own_modules
from mlcore.logs import RequestContext, get_logger, request_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mlcore_protocol import InferenceRequest, WireFormat

    from mlcore.engine import Call
    from mlcore.loading import Plan
    from mlcore.model import MLModel
    from mlcore.plugins import Plugins
    from mlcore.predict import Predict
    from mlcore.settings import Settings

log = get_logger("mlcore.host")


class ModelHost:
    """Loads models and answers calls for them, on one event loop.

    Args:
        settings: The server's settings.
        plugins: What is installed.
    """

    def __init__(self, settings: Settings, plugins: Plugins) -> None:
        self._settings = settings
        self._plugins = plugins
        self._formats = _formats(plugins)
        # The modules of a folder are importable during its model's load only, so such loads take turns.
        self._own_modules = asyncio.Lock()

    async def load(self, plan: Plan) -> LoadedModel:
        """Load a model.

        Raises:
            MLCoreError: It cannot be loaded; the message says why in one line.
        """
        folder = plan.settings.folder
        if folder is None or plan.target is None or plan.target.file is None:
            return await self._load(plan)
        async with self._own_modules:
            with own_modules(folder):
                return await self._load(plan)

    async def _load(self, plan: Plan) -> LoadedModel:
        settings = plan.settings
        threads = ThreadPoolExecutor(
            settings.threads or self._settings.threads, thread_name_prefix=f"mlcore-{settings.name}"
        )
        try:
            model = await _in_thread(threads, make_model, plan, self._plugins)
            model.codecs = self._plugins.codecs
            for method in (model.predict, model.predict_stream):
                if prepare := getattr(method, PREPARE, None):
                    prepare(model.codecs)
            if await _load_outcome(model, threads) is False:
                raise ModelLoadError("load() returned False: the model says that it is not ready")
            metadata = await _call(model.metadata, threads)
            if not isinstance(metadata, ModelMetadata):
                raise ModelLoadError(f"metadata() returned a {type(metadata).__name__}, not a ModelMetadata")
            predict = _composed(model, threads, self._plugins.predict_wrappers(model, settings))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
        if settings.max_batch_size > 1:
            log.warning("max_batch_size is set, but this version answers each request alone", model=settings.name)
        model.ready = True
        hosted = HostedModel(model, metadata, predict, self._formats, threads)
        return LoadedModel(settings, metadata, hosted.infer, hosted.stream, hosted.unload)


class HostedModel:
    """One loaded model: bytes in, bytes out.

    Args:
        model: The model.
        metadata: What it says of itself.
        predict: Its composed predict.
        formats: The wire formats, by media type.
        threads: Where its plain methods run.
    """

    def __init__(
        self,
        model: MLModel,
        metadata: ModelMetadata,
        predict: Predict,
        formats: dict[str, WireFormat],
        threads: ThreadPoolExecutor,
    ) -> None:
        self._model = model
        self._name = model.name
        self._version = model.version
        self._declared = metadata.inputs
        self._predict = predict
        self._formats = formats
        self._threads = threads

    async def infer(self, call: Call) -> Answer:
        """Answer one call.

        Raises:
            MLCoreError: The request is wrong, or the model failed.
        """
        wire_format, request = self._decoded(call)
        try:
            response = await self._predict(request)
        except MLCoreError:
            raise
        except Exception as error:  # a model may raise anything; the client learns only that it failed
            raise self._failure("predict", error) from error
        return self._encoded(wire_format, request, response)

    async def stream(self, call: Call) -> AsyncIterator[Answer]:
        """Answer one call with several answers.

        Raises:
            MLCoreError: The request is wrong, or the model failed.
        """
        wire_format, request = self._decoded(call)

        async def payloads() -> AsyncIterator[InferenceRequest]:
            yield request

        try:
            async for response in self._model.predict_stream(payloads()):
                yield self._encoded(wire_format, request, response)
        except MLCoreError:
            raise
        except Exception as error:  # as in infer
            raise self._failure("predict_stream", error) from error

    async def unload(self) -> None:
        """Let the model go. An error of its `unload` is logged; it is gone all the same."""
        self._model.ready = False
        try:
            await _call(self._model.unload, self._threads)
        except Exception:  # a user's unload may raise anything
            log.exception("unload() failed", model=self._name, version=self._version)
        self._threads.shutdown(wait=False)

    def _decoded(self, call: Call) -> tuple[WireFormat, InferenceRequest]:
        wire_format = self._formats.get(call.media_type)
        if wire_format is None:
            raise UnsupportedMediaTypeError(
                f"the media type '{call.media_type[:64]}' is not one of {', '.join(self._formats)}"
            )
        request = wire_format.decode(call.body, call.head_length, self._declared)
        if request.id is None:
            request.id = call.request_id or str(uuid.uuid4())
        request_context.set(RequestContext(self._name, self._version, request.id))
        if call.headers:
            if request.parameters is None:
                request.parameters = Parameters()
            request.parameters["headers"] = _text_headers(call.headers)
        return wire_format, request

    def _encoded(self, wire_format: WireFormat, request: InferenceRequest, response: Any) -> Answer:
        if type(response) is not InferenceResponse:
            raise InternalError(
                f"the model '{self._name}' returned a {type(response).__name__} from predict; it has to return an "
                "InferenceResponse, or use decode_args"
            )
        headers = response.parameters.pop("headers", None) if response.parameters else None
        response = InferenceResponse(
            model_name=self._name,
            model_version=self._version if self._version is not None else response.model_version,
            id=request.id,
            parameters=response.parameters,
            outputs=response.outputs if not request.outputs else _wanted(request, response),
        )
        try:
            encoded = wire_format.encode(response, request)
        except MLCoreError:
            raise
        except Exception as error:  # a response may hold anything that a model put there
            raise self._failure("encode", error) from error
        return Answer(encoded.media_type, encoded.buffers, encoded.head_length, headers)

    def _failure(self, step: str, error: Exception) -> InternalError:
        error_id = secrets.token_hex(6)
        log.error("the model failed", step=step, error_id=error_id, exc_info=error)
        return InternalError(
            f"the model '{self._name}' failed on this request; the server's log has the details, error id {error_id}"
        )


def _formats(plugins: Plugins) -> dict[str, WireFormat]:
    """Make one wire format per class, whatever number of media types it has."""
    made: dict[Any, WireFormat] = {}
    formats = {}
    for offer in plugins.wire_formats:
        factory = plugins.wire_formats.get(offer.name).value
        if factory not in made:
            found: Callable[[], WireFormat] = (
                import_object(factory, f"wire format '{offer.name}' of {offer.distribution}")
                if isinstance(factory, str)
                else factory
            )
            made[factory] = found()
        formats[offer.name] = made[factory]
    return formats


def _composed(model: MLModel, threads: ThreadPoolExecutor, wrappers: list[Callable[[Predict], Predict]]) -> Predict:
    predict = model.predict if inspect.iscoroutinefunction(model.predict) else _threaded(model.predict, threads)
    for wrapper in wrappers:
        predict = wrapper(predict)
    return predict


def _threaded(predict: Callable[[InferenceRequest], Any], threads: ThreadPoolExecutor) -> Predict:
    """Run a plain predict in the model's threads, never on the loop."""
    loop = asyncio.get_running_loop()

    async def in_thread(request: InferenceRequest) -> InferenceResponse:
        response = await loop.run_in_executor(threads, copy_context().run, predict, request)
        if inspect.isawaitable(response):  # a plain function that hands an async one's result through
            response = await response
        return response  # type: ignore[no-any-return]  # what it is, is checked before it is encoded

    return in_thread


async def _in_thread(threads: ThreadPoolExecutor, function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(threads, copy_context().run, function, *arguments)


async def _call(method: Callable[[], Any], threads: ThreadPoolExecutor) -> Any:
    """Call a method that may be plain or async; a plain one in the model's threads."""
    if inspect.iscoroutinefunction(method):
        return await method()
    result = await _in_thread(threads, method)
    return await result if inspect.isawaitable(result) else result


async def _load_outcome(model: MLModel, threads: ThreadPoolExecutor) -> Any:
    try:
        return await _call(model.load, threads)
    except MLCoreError as error:
        raise ModelLoadError(str(error)) from error
    except (Exception, SystemExit) as error:  # a user's load may raise anything
        raise ModelLoadError(f"load() raised {type(error).__name__}: {error}") from error


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
