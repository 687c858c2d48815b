"""MLServer's settings, and what became of each: plain data, for messages, for the page of those who move, for imports.

Where nothing is said of a setting, it is the same here, name, meaning and default. This file knows nothing of how
settings are read; `settings_sources.py` and `settings_variables.py` ask it about the names that came.
"""

from __future__ import annotations

from typing import NamedTuple


class Setting(NamedTuple):
    """One setting of MLServer.

    Attributes:
        default: MLServer's default, as JSON.
        difference: What differs here, in a sentence; empty if nothing does.
        is_useless: Whether it has no use here, and is passed over with a warning; `difference` says why.
    """

    default: str
    difference: str = ""
    is_useless: bool = False


_NO_EFFECT = "MLServer itself never reads it from a file or a variable"

SERVER_SETTINGS: dict[str, Setting] = {
    "debug": Setting("true", "The default is `false`. Clients never see a traceback; the log does."),
    "parallel_workers": Setting(
        "1", "Each worker holds each model, as there, unless `replicas` of a model says in how many it lives."
    ),
    "parallel_workers_timeout": Setting("5"),
    "environments_dir": Setting('"./.envs"', "The default is a folder in the user's cache, which later starts use."),
    "model_repository_implementation": Setting("null"),
    "model_repository_root": Setting('"."'),
    "model_repository_implementation_args": Setting("{}"),
    "load_models_at_startup": Setting("true"),
    "server_name": Setting('"mlserver"', 'The default is `"mlcore"`.'),
    "server_version": Setting('"1.7.1"', "The default is the version of mlcore."),
    "extensions": Setting("[]", "The default lists those that are really served."),
    "host": Setting(
        '"0.0.0.0"',
        "The default is `127.0.0.1`, which only this machine reaches. On any other address clients may load and "
        "unload models only if `repository_api` says so.",
    ),
    "http_port": Setting("8080"),
    "root_path": Setting('""'),
    "grpc_port": Setting("8081"),
    "grpc_max_message_length": Setting(
        "null", "The default is 64 MiB, not 4; it bounds what comes, also after decompression, not what is answered."
    ),
    "cors_settings": Setting("null", "Here `expose_headers` counts, too."),
    "metrics_endpoint": Setting('"/metrics"'),
    "metrics_port": Setting("8082"),
    "metrics_rest_server_prefix": Setting('"rest_server"', "It counts with `metrics_names` set to `mlserver`."),
    "metrics_dir": Setting(
        '"./.metrics"', "Workers hand what they measure to the server itself, so there are no files: remove it.", True
    ),
    "use_structured_logging": Setting("false"),
    "logging_settings": Setting("null"),
    "kafka_enabled": Setting("false"),
    "kafka_servers": Setting('"localhost:9092"'),
    "kafka_topic_input": Setting('"mlserver-input"'),
    "kafka_topic_output": Setting('"mlserver-output"'),
    "tracing_server": Setting("null"),
    "cache_enabled": Setting("false"),
    "cache_size": Setting("100", "It counts for each model, and `cache_bytes` is a second limit."),
    "gzip_enabled": Setting("true"),
    "_custom_rest_server_settings": Setting(
        "null", f"{_NO_EFFECT}. Limits of REST, such as `max_body_bytes`, are settings of their own: remove it.", True
    ),
    "_custom_grpc_server_settings": Setting(
        "null", f"{_NO_EFFECT}. The limits of gRPC, `grpc_...`, and `tls_...` are settings: remove it.", True
    ),
    "_custom_metrics_server_settings": Setting("null", f"{_NO_EFFECT}: remove it.", True),
}

MODEL_SETTINGS: dict[str, Setting] = {
    "implementation": Setting("", "It may be the short name of a runtime too, such as `sklearn`."),
    "name": Setting("the folder's name"),
    "platform": Setting('""'),
    "versions": Setting("[]"),
    "inputs": Setting("[]"),
    "outputs": Setting("[]"),
    "max_batch_size": Setting("0", "It counts rows, not requests."),
    "max_batch_time": Setting(
        "0.0", "It need not be set: a request waits only while the model is at work, one that finds it idle never."
    ),
    "parameters": Setting("null"),
    "cache_enabled": Setting("false"),
    "parallel_workers": Setting(
        "null", "It is not deprecated: more than 0 gives the model a pool of its own with so many workers."
    ),
    "warm_workers": Setting(
        "false",
        "MLServer does nothing with it either; here `warmup` holds requests to run before the model serves: remove it.",
        True,
    ),
}

MODEL_PARAMETERS: dict[str, Setting] = {
    "uri": Setting("the model's folder"),
    "version": Setting("null"),
    "content_type": Setting("null"),
    "environment_tarball": Setting("null"),
    "environment_path": Setting("null"),
    "inference_pool_gid": Setting("null"),
    "autogenerate_inference_pool_gid": Setting("false"),
    "format": Setting("null"),
    "extra": Setting("{}"),
}


def why_useless(name: str) -> str:
    """Return why a setting of MLServer has no use here; empty for any other name."""
    setting = SERVER_SETTINGS.get(name) or MODEL_SETTINGS.get(name)
    return setting.difference if setting is not None and setting.is_useless else ""


_OF_CORS = "a part of `cors_settings` there; here these are one variable, `MLCORE_CORS_SETTINGS`, an object in JSON"

# What other names that begin with `MLSERVER_` are for, and what does it here. MLServer passes over all others.
OTHER_VARIABLES: dict[str, str] = {
    "MLSERVER_MODELS_DIR": "the folder that its image serves; here it is an argument: mlcore serve FOLDER",
    "MLSERVER_ENV_TARBALL": "the environment of its image; here a model names its own: `environment_tarball`",
    "MLSERVER_ALLOW_ORIGINS": _OF_CORS,
    "MLSERVER_ALLOW_ORIGIN_REGEX": _OF_CORS,
    "MLSERVER_ALLOW_CREDENTIALS": _OF_CORS,
    "MLSERVER_ALLOW_METHODS": _OF_CORS,
    "MLSERVER_ALLOW_HEADERS": _OF_CORS,
    "MLSERVER_EXPOSE_HEADERS": _OF_CORS,
    "MLSERVER_MAX_AGE": _OF_CORS,
    "MLSERVER_PATH": "where its image keeps MLServer; here is no such place",
}
