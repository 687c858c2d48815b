"""The dashboards and rules that are shipped: a real Prometheus scrapes a real server, and every query has an answer."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
import tritonclient.grpc
from mlcore.testing import start_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore.testing.process import RunningServer

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "monitoring"
sys.path.insert(0, str(MONITORING))
import dashboards  # noqa: E402  # what writes them
from panels import BOARDS  # noqa: E402

MODEL = """
import time

from mlcore import MLModel
from mlcore.types import InferenceResponse, ResponseOutput


class Model(MLModel):
    def predict(self, payload):
        x = payload.inputs[0]
        if x.name == "bug":
            raise KeyError("a bug")
        if x.name == "slow":
            time.sleep(0.05)
        return InferenceResponse(
            model_name=self.name,
            outputs=[ResponseOutput(name=x.name, shape=x.shape, datatype=x.datatype, data=x.data)],
        )
"""
MODELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "narrow": {"max_queue_size": 0, "replicas": 1},
    "batched": {"max_batch_size": 8, "cache_enabled": True, "parameters": {"version": "v1"}},
}
QUERIES = {
    f"{board.title}: {row}: {panel.title}: {query.legend}": query.expression
    for board in BOARDS.values()
    for row, panels in board.rows.items()
    for panel in panels
    for query in panel.queries
}


def program(name: str) -> str:
    """Return where a program of Prometheus is."""
    found = shutil.which(name)
    assert found, f"these tests need {name}; on Debian: apt-get install prometheus"
    return found


class Prometheus:
    """A Prometheus that runs."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def has_data(self, expression: str) -> bool:
        """Say whether a query is valid and has an answer other than NaN."""
        result = self.get("query", query=expression)["result"]
        return any(sample["value"][1] != "NaN" for sample in result)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("models")
    for name, settings in MODELS.items():
        (folder / name).mkdir()
        (folder / name / "model.py").write_text(MODEL)
        text = json.dumps({"name": name, "implementation": "model.Model", **settings})
        (folder / name / "model-settings.json").write_text(text)
    (folder / "settings.json").write_text(json.dumps({"cache_enabled": True, "cache_size": 1}))
    running = start_server(folder, "--parallel-workers", "2")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def prometheus(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    place = tmp_path_factory.mktemp("prometheus")
    shutil.copy(MONITORING / "prometheus/rules.yml", place)
    config = (MONITORING / "prometheus/prometheus.yml").read_text()
    config = config.replace("127.0.0.1:8082", server.urls["metrics"].removeprefix("http://"))
    config = config.replace("scrape_interval: 15s", "scrape_interval: 1s\n  evaluation_interval: 1s")
    (place / "prometheus.yml").write_text(config)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            program("prometheus"),
            f"--config.file={place}/prometheus.yml",
            f"--storage.tsdb.path={place}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    running = Prometheus(f"http://127.0.0.1:{port}")
    try:
        until(lambda: is_up(running), "Prometheus does not come up")
        yield running
    finally:
        process.terminate()
        process.wait(60)


def is_up(prometheus: Prometheus) -> bool:
    """Say whether Prometheus answers."""
    with contextlib.suppress(OSError, AssertionError):
        return bool(prometheus.get("status/buildinfo"))
    return False


def until(condition: Any, problem: str, timeout_s: float = 60) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, problem
        time.sleep(0.1)


class Traffic:
    """Clients of every kind, until the test is over."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._rest, daemon=True) for _ in range(3)]
        self._threads.append(threading.Thread(target=self._grpc, daemon=True))

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(60)

    def _rest(self) -> None:
        number = 0
        while not self._is_over.is_set():
            number += 1
            for model, name, value in (
                ("plain", "x", 1),
                ("plain", "bug", 1),
                ("narrow", "slow", 1),
                ("batched", "x", number // 2),
                ("no-such-model", "x", 1),
            ):
                tensor = {"name": name, "shape": [1], "datatype": "INT32", "data": [value]}
                with contextlib.suppress(OSError):
                    self._server.infer(model, tensor)

    def _grpc(self) -> None:
        client = tritonclient.grpc.InferenceServerClient(self._server.urls["grpc"].partition("://")[2])
        tensor = tritonclient.grpc.InferInput("x", [1], "INT32")
        tensor.set_data_from_numpy(np.array([1], np.int32))
        while not self._is_over.is_set():
            for model in ("plain", "no-such-model"):
                with contextlib.suppress(Exception):  # one of them fails on purpose
                    client.infer(model, [tensor])
            self._is_over.wait(0.01)
        client.close()


def test_every_panel_and_rule_has_data_and_the_alert_of_a_dead_worker_fires(
    server: RunningServer, prometheus: Prometheus
) -> None:
    rules = prometheus.get("rules")["groups"]
    alerts = [rule for group in rules for rule in group["rules"] if rule["type"] == "alerting"]
    assert {rule["health"] for group in rules for rule in group["rules"]} <= {"ok", "unknown"}
    queries = {title: asked(expression) for title, expression in QUERIES.items()}
    queries |= {rule["name"]: re.sub(r"\s*(>|<|==) [\d.]+$", "", rule["query"]) for rule in alerts}
    queries |= {rule["name"]: rule["name"] for group in rules for rule in group["rules"] if rule["type"] == "recording"}
    worker = next(child for child in psutil.Process(server.process.pid).children() if "worker" in child.cmdline()[2])

    with Traffic(server):
        until(lambda: prometheus.has_data("mlcore_batch_rows_count > 0"), "no batch is measured")
        worker.send_signal(signal.SIGKILL)
        missing = dict(queries)

        def all_answered() -> bool:
            for title, expression in list(missing.items()):
                if prometheus.has_data(expression):
                    del missing[title]
            return not missing

        with contextlib.suppress(AssertionError):
            until(all_answered, "", timeout_s=90)
        assert missing == {}

        def fires() -> bool:
            states = {alert["labels"]["alertname"]: alert["state"] for alert in prometheus.get("alerts")["alerts"]}
            return states.get("MlcoreWorkerDied") == "firing"

        until(fires, "the alert of a dead worker does not fire")


def asked(expression: str) -> str:
    """Return a panel's query as Grafana asks it, for all servers and models."""
    return expression.replace("$__rate_interval", "10s").replace("$instance", ".*").replace("$model", ".*")


def test_every_panel_stands_on_its_dashboard() -> None:
    for path, text in dashboards.dashboards():
        assert path.read_text(encoding="utf-8") == text, "run scripts/docs"
        board = json.loads(text)
        shown = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
        rows = BOARDS[path.stem].rows.values()
        assert shown == [query.expression for panels in rows for panel in panels for query in panel.queries]


def test_every_metric_of_a_panel_or_rule_is_one_that_there_is() -> None:
    from transport_metrics.names import prometheus_names

    known = prometheus_names() | {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"}
    rules = (MONITORING / "prometheus/rules.yml").read_text()
    used = set(re.findall(r"\b(?:mlcore|http_server|rpc_server|process)_[a-z_]+", rules + " ".join(QUERIES.values())))

    assert {re.sub("_(bucket|sum|count)$", "", name) for name in used} <= known


@pytest.mark.parametrize(
    "arguments", ["check rules rules.yml", "test rules rules_test.yml", "check config prometheus.yml"]
)
def test_promtool_finds_nothing_wrong_with_the_rules(arguments: str) -> None:
    done = subprocess.run(
        [program("promtool"), *arguments.split()],
        cwd=MONITORING / "prometheus",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
