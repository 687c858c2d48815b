"""Settings that are right, and yet have no effect: what `mlcore check` and the start warn of.

Only what somebody has set is warned of, never a default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from mlcore.settings import ModelSettings, Settings


def of_server(settings: Settings, has_workers: bool) -> list[str]:
    """Return what of the server's settings has no effect, and why.

    Args:
        settings: The settings.
        has_workers: Whether the engine keeps models in workers.
    """
    return [*settings.remarks, *_of_server(settings, has_workers)]


def of_model(settings: ModelSettings, server: Settings, has_workers: bool) -> list[str]:
    """Return what of a model's settings has no effect, and why, as far as the settings themselves show.

    Args:
        settings: The model's settings.
        server: The server's.
        has_workers: Whether the engine keeps models in workers.
    """
    found = [*_of_batches(settings), *_of_places(settings, server, has_workers)]
    if settings.cache_enabled and not server.cache_enabled:
        found.append("cache_enabled has no effect: the server's settings do not enable the cache; set it there too")
    return [*settings.remarks, *found]


def of_predict(settings: ModelSettings, is_async: bool) -> list[str]:
    """Return what of a model's settings has no effect on its kind of `predict`, and why.

    Args:
        settings: The model's settings.
        is_async: Whether its `predict` is an async method.
    """
    if is_async and settings.threads is not None:
        return ["threads has no effect: predict is async, so it runs on the event loop; max_concurrency bounds it"]
    if not is_async and settings.max_concurrency is not None:
        return ["max_concurrency has no effect: predict is a plain method, which has as many calls at once as threads"]
    return []


def _of_server(settings: Settings, has_workers: bool) -> Iterator[str]:
    if not has_workers:
        if settings.parallel_workers and "parallel_workers" in settings.model_fields_set:
            yield f"parallel_workers has no effect: the engine {settings.engine} keeps models in the server's process"
        for name in _set(settings, "worker_timeout", "parallel_workers_timeout", "environments_dir"):
            yield f"{name} has no effect: there are no workers; set parallel_workers to 1 or more"
    if not settings.cache_enabled:
        for name in _set(settings, "cache_size", "cache_bytes", "cache_ttl"):
            yield f"{name} has no effect: the cache is off; set cache_enabled, here and at the models"
    if not settings.gzip_enabled and list(_set(settings, "gzip_min_bytes")):
        yield "gzip_min_bytes has no effect: gzip_enabled is off"
    if settings.metrics_names != "mlserver" and list(_set(settings, "metrics_rest_server_prefix")):
        yield "metrics_rest_server_prefix has no effect: it is for MLServer's names; set metrics_names to mlserver"
    if settings.metrics_endpoint is None and list(_set(settings, "metrics_port")):
        yield "metrics_port has no effect: metrics_endpoint is null, which switches the metrics off"
    if not settings.kafka_enabled:
        for name in _set(settings, *(name for name in type(settings).model_fields if name.startswith("kafka_"))):
            yield f"{name} has no effect: kafka_enabled is off"
    if settings.model_repository_implementation is None and settings.model_repository_implementation_args:
        yield "model_repository_implementation_args has no effect: there is no model_repository_implementation"
    cors = settings.cors_settings
    if cors is not None and not cors.allow_origins and cors.allow_origin_regex is None:
        yield "cors_settings has no effect: no origin may call; name some in allow_origins or allow_origin_regex"
    if settings.strict and not settings.load_models_at_startup:
        yield "strict has no effect: load_models_at_startup is off, so no model can fail at the start"


def _of_batches(settings: ModelSettings) -> Iterator[str]:
    if settings.max_batch_size <= 1:
        for name in _set(settings, "max_batch_time", "preferred_batch_sizes", "pad_batch"):
            yield f"{name} has no effect: there are no batches; set max_batch_size to 2 or more"
    elif settings.preferred_batch_sizes and not settings.max_batch_time:
        yield "preferred_batch_sizes has no effect: nothing waits to reach one of them; set max_batch_time"
    elif too_large := [size for size in settings.preferred_batch_sizes if size > settings.max_batch_size]:
        yield f"preferred_batch_sizes: {too_large} has no effect: max_batch_size is {settings.max_batch_size}"


def _of_places(settings: ModelSettings, server: Settings, has_workers: bool) -> Iterator[str]:
    parameters = settings.parameters
    pool = [
        *(["inference_pool_gid"] if parameters.inference_pool_gid else []),
        *(["autogenerate_inference_pool_gid"] if parameters.autogenerate_inference_pool_gid else []),
    ]
    if settings.parallel_workers == 0 or not has_workers:
        names = [*(["replicas"] if settings.replicas else []), *(f"parameters.{name}" for name in pool)]
        names += ["parallel_workers"] if settings.parallel_workers else []
        why = (
            "parallel_workers is 0, so the model lives in the server's own process"
            if settings.parallel_workers == 0
            else "the server has no workers; set parallel_workers there to 1 or more"
        )
        yield from (f"{name} has no effect: {why}" for name in names)
        return
    if len(pool) > 1:
        yield "parameters.autogenerate_inference_pool_gid has no effect: inference_pool_gid names a pool"
    workers = settings.parallel_workers or max(1, server.parallel_workers)
    if settings.replicas is not None and settings.replicas > workers:
        yield f"replicas has no effect beyond {workers}: its pool has so many workers; set parallel_workers"


def _set(settings: BaseModel, *names: str) -> Iterator[str]:
    """Go through those of the settings that somebody has set to something else than the default."""
    for name in names:
        default = type(settings).model_fields[name].get_default(call_default_factory=True)
        if name in settings.model_fields_set and getattr(settings, name) != default:
            yield name
