"""Settings that have no effect: each is warned of, and none that has one."""

import logging

import pytest
from mlcore import MLModel, ModelSettings, Server, Settings
from mlcore.without_effect import of_model, of_predict, of_server


class Plain(MLModel):
    def predict(self, payload):
        return None


class Async(MLModel):
    async def predict(self, payload):
        return None


def model_settings(**values):
    return ModelSettings(name="m", implementation=Plain, **values)


NO_WORKERS = {"parallel_workers": 0}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"engine": "inline", "parallel_workers": 2}, "parallel_workers has no effect: the engine inline keeps"),
        ({**NO_WORKERS, "worker_timeout": 5}, "worker_timeout has no effect: there are no workers"),
        ({**NO_WORKERS, "parallel_workers_timeout": 9}, "parallel_workers_timeout has no effect: there are no workers"),
        ({**NO_WORKERS, "environments_dir": "x"}, "environments_dir has no effect: there are no workers"),
        ({"cache_size": 5}, "cache_size has no effect: the cache is off"),
        ({"cache_bytes": 5}, "cache_bytes has no effect: the cache is off"),
        ({"cache_ttl": 5}, "cache_ttl has no effect: the cache is off"),
        ({"gzip_enabled": False, "gzip_min_bytes": 5}, "gzip_min_bytes has no effect: gzip_enabled is off"),
        ({"metrics_rest_server_prefix": "x"}, "metrics_rest_server_prefix has no effect: it is for MLServer's names"),
        ({"metrics_endpoint": None, "metrics_port": 1}, "metrics_port has no effect: metrics_endpoint is null"),
        ({"kafka_topic_input": "x"}, "kafka_topic_input has no effect: kafka_enabled is off"),
        (
            {"model_repository_implementation_args": {"a": 1}},
            "model_repository_implementation_args has no effect: there is no model_repository_implementation",
        ),
        ({"cors_settings": {}}, "cors_settings has no effect: no origin may call"),
        ({"strict": True, "load_models_at_startup": False}, "strict has no effect: load_models_at_startup is off"),
    ],
)
def test_a_setting_of_the_server_without_effect_is_warned_of(settings, said):
    made = Settings(**settings)

    (remark,) = of_server(made, has_workers=bool(made.parallel_workers) and made.engine != "inline")

    assert remark.startswith(said)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"parallel_workers": 0},
        {"worker_timeout": 5, "parallel_workers_timeout": 9, "environments_dir": "x", "parallel_workers": 1},
        {"cache_enabled": True, "cache_size": 5},
        {"cache_size": 100},
        {"gzip_min_bytes": 5},
        {"metrics_names": "mlserver", "metrics_rest_server_prefix": "x"},
        {"metrics_port": 1},
        {"cors_settings": {"allow_origins": ["*"]}},
        {"cors_settings": {"allow_origin_regex": ".*"}},
        {"strict": True},
        {"kafka_enabled": True, "kafka_topic_input": "x"},
        {"model_repository_implementation": "a.B", "model_repository_implementation_args": {"a": 1}},
    ],
)
def test_one_with_an_effect_is_not(settings):
    made = Settings(**settings)

    assert of_server(made, has_workers=made.parallel_workers > 0) == []


@pytest.mark.parametrize(
    ("settings", "server", "said"),
    [
        ({"max_batch_time": 1}, {}, "max_batch_time has no effect: there are no batches; set max_batch_size"),
        ({"preferred_batch_sizes": [2]}, {}, "preferred_batch_sizes has no effect: there are no batches"),
        ({"pad_batch": True, "max_batch_size": 1}, {}, "pad_batch has no effect: there are no batches"),
        ({"preferred_batch_sizes": [2], "max_batch_size": 4}, {}, "preferred_batch_sizes has no effect: nothing waits"),
        (
            {"preferred_batch_sizes": [2, 8], "max_batch_size": 4, "max_batch_time": 1},
            {},
            "preferred_batch_sizes: [8] has no effect: max_batch_size is 4",
        ),
        ({"cache_enabled": True}, {}, "cache_enabled has no effect: the server's settings do not enable the cache"),
        ({"replicas": 2}, NO_WORKERS, "replicas has no effect: the server has no workers"),
        ({"parallel_workers": 2}, NO_WORKERS, "parallel_workers has no effect: the server has no workers"),
        (
            {"parameters": {"inference_pool_gid": "a"}},
            NO_WORKERS,
            "parameters.inference_pool_gid has no effect: the server has no workers",
        ),
        (
            {"parameters": {"autogenerate_inference_pool_gid": True}},
            NO_WORKERS,
            "parameters.autogenerate_inference_pool_gid has no effect: the server has no workers",
        ),
        (
            {"parallel_workers": 0, "replicas": 2},
            {"parallel_workers": 2},
            "replicas has no effect: parallel_workers is 0, so the model lives in the server's own process",
        ),
        (
            {"parameters": {"inference_pool_gid": "a", "autogenerate_inference_pool_gid": True}},
            {"parallel_workers": 1},
            "parameters.autogenerate_inference_pool_gid has no effect: inference_pool_gid names a pool",
        ),
        ({"replicas": 3}, {"parallel_workers": 2}, "replicas has no effect beyond 2: its pool has so many workers"),
    ],
)
def test_a_setting_of_a_model_without_effect_is_warned_of(settings, server, said):
    made = Settings(**server)

    (remark,) = of_model(model_settings(**settings), made, has_workers=made.parallel_workers > 0)

    assert remark.startswith(said)


@pytest.mark.parametrize(
    ("settings", "server"),
    [
        ({}, {}),
        ({"max_batch_size": 4, "max_batch_time": 1, "preferred_batch_sizes": [2], "pad_batch": True}, {}),
        ({"max_batch_time": 0, "preferred_batch_sizes": [], "pad_batch": False}, {}),
        ({"cache_enabled": True}, {"cache_enabled": True}),
        ({"replicas": 2}, {"parallel_workers": 2}),
        ({"replicas": 2, "parallel_workers": 2}, {"parallel_workers": 1}),
        ({"parallel_workers": 0}, {"parallel_workers": 2}),
        ({"parameters": {"inference_pool_gid": "a"}}, {"parallel_workers": 1}),
    ],
)
def test_one_of_a_model_with_an_effect_is_not(settings, server):
    made = Settings(**server)

    assert of_model(model_settings(**settings), made, has_workers=made.parallel_workers != 0) == []


def test_threads_are_for_a_plain_predict_and_a_bound_for_an_async_one():
    threads, bound = model_settings(threads=2), model_settings(max_concurrency=2)

    assert of_predict(threads, is_async=True)[0].startswith("threads has no effect: predict is async")
    assert of_predict(bound, is_async=False)[0].startswith("max_concurrency has no effect: predict is a plain method")
    assert of_predict(threads, is_async=False) == of_predict(bound, is_async=True) == []


async def test_the_start_warns_of_them(caplog):
    caplog.set_level(logging.WARNING, "mlcore")
    model = ModelSettings(name="m", implementation=Async, threads=2, max_batch_time=1)

    async with Server(models=[model], transports=[], cache_size=5):
        pass

    warned = [(record.message.partition(" ")[0], getattr(record, "model", None)) for record in caplog.records]
    assert warned == [("cache_size", None), ("max_batch_time", "m"), ("threads", "m")]
