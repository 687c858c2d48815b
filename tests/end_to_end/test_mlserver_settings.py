"""A folder with the settings that its users had with MLServer: one server with a worker, and what they do there."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

import pytest
from mlcore.testing import start_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlcore.testing.process import RunningServer

# A model that says how often it was asked, and in which process it lives.
MODEL = """
import logging
import os

from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.types import InferenceResponse


class Counting(MLModel):
    def load(self):
        self.asked = 0
        logging.getLogger("mlserver.mine").warning("loaded with %s", self.settings.parameters.extra["word"])

    def predict(self, payload):
        self.asked += 1
        said = [str(self.asked), str(os.getpid()), "x" * 2000]
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("said", said)])
"""
TENSOR = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}
PAGE = "https://page.example"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of models."""
    root = tmp_path_factory.mktemp("mlserver")
    logging_settings = {
        "version": 1,
        "formatters": {"plain": {"format": "%(process)d %(name)s %(message)s"}},
        "handlers": {
            "file": {"class": "logging.FileHandler", "filename": str(root / "log.txt"), "formatter": "plain"},
        },
        "loggers": {"mlserver": {"handlers": ["file"], "level": "INFO"}},
    }
    (root / "logging.json").write_text(json.dumps(logging_settings))
    server = {
        "debug": False,
        "parallel_workers": 1,
        "parallel_workers_timeout": 5,
        "environments_dir": str(root / "environments"),
        "server_version": "9.9",
        "extensions": ["ext-a"],
        "root_path": "/prefix",
        "cors_settings": {"allow_origins": [PAGE], "allow_methods": ["GET", "POST"], "max_age": 7},
        "metrics_endpoint": "/prometheus",
        "metrics_names": "mlserver",
        "metrics_rest_server_prefix": "mine",
        "metrics_dir": str(root / "metrics"),
        "logging_settings": str(root / "logging.json"),
        "cache_enabled": True,
        "cache_size": 10,
        "gzip_enabled": False,
        "kafka_enabled": False,
        "tracing_server": None,
    }
    (root / "settings.json").write_text(json.dumps(server))
    for name, settings in {
        "kept": {"cache_enabled": True, "parameters": {"version": "v2", "extra": {"word": "kept"}}},
        "here": {"parallel_workers": -1, "warm_workers": True, "parameters": {"extra": {"word": "here"}}},
    }.items():
        (root / name).mkdir()
        (root / name / "counting.py").write_text(MODEL)
        declared = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}], "versions": ["lib/1.0"]}
        (root / name / "model-settings.json").write_text(
            json.dumps({"implementation": "counting.Counting", **declared, **settings})
        )
    return root


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    """Return a server of the folder, started as its users start it."""
    env = {"MLSERVER_SERVER_NAME": "theirs", "MLSERVER_SERVER_VERSION": "0", "MLSERVER_MODEL_PLATFORM": "theirs"}
    running = start_server(folder, env=env)
    yield running
    running.stop()


def said(server: RunningServer, model: str) -> list[str]:
    """Return what a model says: how often it was asked, and the number of its process."""
    data: list[str] = server.infer(model, TENSOR).json()["outputs"][0]["data"]
    return data[:2]


def test_the_servers_metadata_are_those_of_the_file_and_of_variables_for_what_it_lacks(server: RunningServer) -> None:
    assert server.get("/v2").json() == {"name": "theirs", "version": "9.9", "extensions": ["ext-a"]}


def test_one_line_names_the_variables_anew(server: RunningServer) -> None:
    (line,) = [line for line in server.log if "MLSERVER_" in line]

    assert "MLSERVER_SERVER_NAME as MLCORE_SERVER_NAME" in line
    assert "MLSERVER_MODEL_PLATFORM as MLCORE_MODEL_PLATFORM" in line


def test_a_models_metadata_are_those_of_its_file(server: RunningServer) -> None:
    metadata = server.get("/v2/models/kept/versions/v2").json()

    assert (metadata["versions"], metadata["platform"]) == (["lib/1.0"], "theirs")
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1]}]


def test_what_has_no_use_is_warned_of(server: RunningServer) -> None:
    assert any("metrics_dir has no effect" in line for line in server.log)
    assert any("warm_workers has no effect" in line for line in server.log)


def test_the_path_of_a_proxy_is_in_the_document_for_clients(server: RunningServer) -> None:
    assert server.get("/v2/docs/dataplane.json").json()["servers"] == [{"url": "/prefix"}]


def test_pages_of_allowed_origins_may_call_and_no_others(server: RunningServer) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    preflight = server.request("OPTIONS", "/v2/models/kept/infer", None, asked)
    other = server.request("OPTIONS", "/v2/models/kept/infer", None, {**asked, "Origin": "https://other.example"})

    assert (preflight.status, preflight.headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert preflight.headers["Access-Control-Max-Age"] == "7"
    assert (other.status, other.headers["Access-Control-Allow-Origin"]) == (403, None)
    assert server.get("/v2", {"Origin": PAGE}).headers["Access-Control-Allow-Origin"] == PAGE


def test_a_model_that_keeps_its_answers_is_asked_once(server: RunningServer) -> None:
    assert said(server, "kept") == said(server, "kept")


def test_a_model_may_live_in_the_servers_own_process_and_the_others_in_the_worker(server: RunningServer) -> None:
    first, second = said(server, "here"), said(server, "here")

    assert int(second[0]) == int(first[0]) + 1
    assert int(first[1]) == server.process.pid
    assert int(said(server, "kept")[1]) != server.process.pid


def test_answers_are_not_compressed_if_that_is_off(server: RunningServer) -> None:
    body = json.dumps({"inputs": [TENSOR]}).encode()

    answer = server.post("/v2/models/here/infer", body, {"Accept-Encoding": "gzip"})

    assert answer.headers["Content-Encoding"] is None
    assert len(answer.body) > 2000


def test_metrics_are_at_their_path_and_have_their_prefix(server: RunningServer) -> None:
    said(server, "here")

    with urllib.request.urlopen(f"{server.urls['metrics'].removesuffix('/prometheus')}/prometheus", timeout=60) as page:
        assert "\nmine_requests_total{" in page.read().decode()


def test_the_set_up_of_logging_counts_in_the_server_and_in_its_worker(server: RunningServer, folder: Path) -> None:
    worker = said(server, "kept")[1]

    lines = (folder / "log.txt").read_text().splitlines()

    assert f"{server.process.pid} mlserver.mine loaded with here" in lines
    assert f"{worker} mlserver.mine loaded with kept" in lines
    assert f"{server.process.pid} mlcore.models model ready" in lines
