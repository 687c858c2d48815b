"""The model host: the back of the data plane, next to the models. It makes a hosted model of each plan.

It knows no client and no socket. An engine puts one wherever models live: in the server's own process, in a worker.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from mlcore_protocol import MetadataTensor, ModelMetadata

from mlcore import late_load
from mlcore.batching import Batcher
from mlcore.codecs.typed_arguments import PREPARE
from mlcore.engine import LoadedModel
from mlcore.errors import MLCoreError, ModelLoadError
from mlcore.handler_calls import HandlerCalls, with_handlers
from mlcore.hosted_model import HostedModel
from mlcore.imports import made_of
from mlcore.loading import make_model
from mlcore.logs import get_logger
from mlcore.methods import call_method, in_thread
from mlcore.own_modules import own_modules_of_load, shared_folder
from mlcore.pinned import pinned
from mlcore.predict import composed_stream, is_async, own_predict, streams_itself
from mlcore.response_cache import ResponseCache
from mlcore.telemetry import is_tracing
from mlcore.telemetry.owner import ModelOwner, model_owner
from mlcore.warm_up import warm_up
from mlcore.without_effect import of_predict

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcore_protocol import WireFormat

    from mlcore.loading import Plan
    from mlcore.model import MLModel
    from mlcore.plugins import Plugins
    from mlcore.predict import Predict
    from mlcore.private_copy import PrivateCopy
    from mlcore.settings import ModelSettings, Settings
    from mlcore.telemetry.tallies import Tallies

log = get_logger("mlcore.host")

# How long a load that is cancelled is waited for.
_LAST_WORDS_S = 1.0


class ModelHost:
    """Loads models, on one event loop.

    Args:
        settings: The server's settings.
        plugins: What is installed.
        tallies: What is measured here.

    Raises:
        PluginError: A wire format cannot be made.
        AmbiguousNameError: Two plugins offer a wire format for one media type.
    """

    def __init__(self, settings: Settings, plugins: Plugins, tallies: Tallies) -> None:
        self._settings = settings
        self._tallies = tallies
        self._plugins = plugins
        self._formats = _formats(plugins)
        self._late: set[asyncio.Task[Any]] = set()

    async def load(self, plan: Plan) -> LoadedModel:
        """Load a model.

        Raises:
            MLCoreError: It cannot be loaded; the message says why.
        """
        token = shared_folder.set(plan.root)
        try:
            if plan.settings.parameters.digest is not None:
                return await self._load_pinned(plan)
            return await self._load_own(plan)
        finally:
            shared_folder.reset(token)

    async def _load_own(self, plan: Plan) -> LoadedModel:
        async with own_modules_of_load(plan.settings.folder):
            return await self._load_in_time(plan)

    async def _load_pinned(self, plan: Plan) -> LoadedModel:
        """Load a model from a private copy, which is there as long as the model is."""
        own, copy = await self._copied_in_time(plan)
        try:
            model = await self._load_own(own)
        except BaseException:
            await asyncio.to_thread(copy.close)
            raise

        async def unload() -> None:
            try:
                await model.unload()
            finally:
                await asyncio.to_thread(copy.close)

        return msgspec.structs.replace(model, settings=plan.settings, unload=unload)

    async def _copied_in_time(self, plan: Plan) -> tuple[Plan, PrivateCopy]:
        limit_s = plan.settings.load_timeout or self._settings.load_timeout
        copying = asyncio.ensure_future(asyncio.to_thread(pinned, plan))
        try:
            return await asyncio.wait_for(asyncio.shield(copying), limit_s)
        except (TimeoutError, asyncio.CancelledError) as error:
            copying.add_done_callback(_closed)
            if isinstance(error, TimeoutError):
                raise _too_slow(limit_s) from None
            raise

    async def _load_in_time(self, plan: Plan) -> LoadedModel:
        """Load a model, unless it takes too long.

        What cannot be stopped, such as a plain `load` in its thread, is left behind, and let go when it ends.
        """
        limit_s = plan.settings.load_timeout or self._settings.load_timeout
        loading = asyncio.ensure_future(self._load(plan))
        try:
            done, _ = await asyncio.wait({loading}, timeout=limit_s)
        except asyncio.CancelledError:
            loading.cancel()
            await asyncio.wait({loading}, timeout=_LAST_WORDS_S)
            raise
        if done:
            return loading.result()
        loading.cancel()
        self._late.add(loading)
        loading.add_done_callback(self._late.discard)
        raise _too_slow(limit_s)

    async def _load(self, plan: Plan) -> LoadedModel:
        settings = plan.settings
        model_owner.set(ModelOwner(settings.name, settings.parameters.version or "", self._tallies))
        threads = ThreadPoolExecutor(
            settings.threads or self._settings.threads, thread_name_prefix=f"mlcore-{settings.name}"
        )
        try:
            model = await in_thread(threads, make_model, plan, self._plugins)
            calls = HandlerCalls(model, threads)
            app = await in_thread(threads, calls.app, self._plugins)
            hosted, metadata = await self._hosted(model, settings, threads)
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
        model.ready = True
        concurrency = self._concurrency(model, settings)
        remarks = of_predict(settings, is_async(model))
        if app is None:
            return LoadedModel(
                settings, metadata, hosted.infer, hosted.stream, hosted.unload, concurrency, remarks=remarks
            )

        async def unload() -> None:
            await calls.over()
            await hosted.unload()

        stream = with_handlers(hosted.stream, app)
        return LoadedModel(
            settings,
            metadata,
            hosted.infer,
            stream,
            unload,
            concurrency,
            handlers=app.handlers,
            remarks=remarks,
        )

    def _slots(self, model: MLModel, settings: ModelSettings) -> int | None:
        """Return how many runs of its predict a model makes use of at once; `None` for any number."""
        return settings.max_concurrency if is_async(model) else settings.threads or self._settings.threads

    def _concurrency(self, model: MLModel, settings: ModelSettings) -> int | None:
        """Return how many requests a model makes use of at once: with batches, one more than are being worked on."""
        slots = self._slots(model, settings)
        return ((slots or 1) + 1) * settings.max_batch_size if settings.max_batch_size > 1 else slots

    async def _hosted(
        self, model: MLModel, settings: ModelSettings, threads: ThreadPoolExecutor
    ) -> tuple[HostedModel, ModelMetadata]:
        model.codecs = self._plugins.codecs
        for method in (model.predict, model.predict_stream):
            if prepare := getattr(method, PREPARE, None):
                prepare(model)
        if await _outcome("load", partial(late_load.load, model, threads, self._late), threads) is False:
            raise ModelLoadError("load() returned False: the model says that it is not ready")
        try:
            metadata = _checked(await _outcome("metadata", model.metadata, threads))
            if settings.parameters.digest is not None:
                metadata.parameters.setdefault("digest", settings.parameters.digest)
            predict = self._predict(model, settings, metadata, threads)
            stream = composed_stream(model, threads, predict)
            kind = HostedModel
            if is_tracing():
                from mlcore.telemetry.traced_model import TracedModel, traced_stream

                kind = TracedModel
                stream = traced_stream(stream) if streams_itself(model) else stream
            hosted = kind(model, metadata, predict, stream, self._formats, threads)
            await warm_up(hosted, settings)
            return hosted, metadata
        except BaseException:
            with suppress(Exception, SystemExit):  # the first error is the one to tell
                await call_method(model.unload, threads)
            raise

    def _predict(
        self, model: MLModel, settings: ModelSettings, metadata: ModelMetadata, threads: ThreadPoolExecutor
    ) -> Predict:
        """Compose what a request runs through, from the model's own predict outwards.

        The wrappers of plugins are outermost, so that they see each client's request, also one that is answered from
        the cache or in a batch.
        """
        method = None
        if is_tracing():
            from mlcore.telemetry.traced_model import traced_method

            method = traced_method(model.predict)
        if settings.max_batch_size > 1:
            own = own_predict(model, threads, method=method)
            slots = self._slots(model, settings) or 1
            # The next batch for a thread stands ready in its queue, so that it need not wait for the event loop.
            predict: Predict = Batcher(own, settings, metadata, self._tallies, slots, ahead=0 if is_async(model) else 1)
        else:
            predict = own_predict(model, threads, settings.max_concurrency, method)
        if self._settings.cache_enabled and settings.cache_enabled:
            predict = ResponseCache(predict, settings, self._settings, self._tallies)
        for wrapper in self._plugins.predict_wrappers(model, settings, self._settings):
            predict = wrapper(predict)
        return predict


def _too_slow(limit_s: float) -> ModelLoadError:
    return ModelLoadError(f"its load took longer than {limit_s:g} s, the setting load_timeout")


def _closed(copying: asyncio.Future[tuple[Plan, PrivateCopy]]) -> None:
    """Remove a copy that nobody waits for any more."""
    if not copying.cancelled() and copying.exception() is None:
        copying.result()[1].close()


async def _outcome(name: str, method: Callable[[], Any], threads: ThreadPoolExecutor) -> Any:
    try:
        return await call_method(method, threads)
    except MLCoreError as error:
        raise ModelLoadError(str(error)) from error
    except (Exception, SystemExit) as error:  # a user's method may raise anything
        raise ModelLoadError(f"{name}() raised {type(error).__name__}: {error}") from error


def _checked(metadata: Any) -> ModelMetadata:
    """Return the metadata if they are what the rest of the server takes them for."""
    if not isinstance(metadata, ModelMetadata):
        raise ModelLoadError(f"metadata() returned a {type(metadata).__name__}, not a ModelMetadata")
    for name, tensors in (("inputs", metadata.inputs), ("outputs", metadata.outputs)):
        for index, tensor in enumerate(tensors):
            if not isinstance(tensor, MetadataTensor):
                raise ModelLoadError(
                    f"{name}[{index}]: expected a mlcore.types.MetadataTensor, got a {type(tensor).__name__}"
                )
    return metadata


def _formats(plugins: Plugins) -> dict[str, WireFormat]:
    """Make one wire format per class, whatever number of media types it has."""
    made: dict[Any, WireFormat] = {}
    formats = {}
    for offer in plugins.wire_formats:
        factory = plugins.wire_formats.get(offer.name).value
        if factory not in made:
            made[factory] = made_of(offer, "wire format")
        formats[offer.name] = made[factory]
    return formats
