"""Traces of requests, as a real collector receives them, over HTTP and gRPC, of servers with a worker and without."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from collector import Collector, over_grpc, over_http
from mlcore.testing import start_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlcore.testing.process import RunningServer

MODELS = """
import logging

from mlcore import MLModel
from mlcore.codecs import NumpyCodec
from mlcore.types import InferenceResponse
from opentelemetry import trace

tracer = trace.get_tracer("mine")
log = logging.getLogger("mine")


class Answers(MLModel):
    def answer(self, payload):
        x = self.decode(payload.inputs[0], NumpyCodec)
        with tracer.start_as_current_span("mine"):
            log.warning("at work")
            if x.flat[0] < 0:
                raise ValueError("payload 4711")
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", x)])


class Threaded(Answers):
    def predict(self, payload):
        return self.answer(payload)


class Awaited(Answers):
    async def predict(self, payload):
        return self.answer(payload)


class Streaming(Answers):
    async def predict(self, payload):
        return self.answer(payload)

    async def predict_stream(self, payloads):
        async for payload in payloads:
            for _ in range(3):
                yield self.answer(payload)
"""

SETTINGS: dict[str, dict[str, Any]] = {
    "threaded": {"implementation": "telling.Threaded", "parameters": {"version": "v1"}},
    "awaited": {"implementation": "telling.Awaited"},
    "batched": {
        "implementation": "telling.Threaded",
        "max_batch_size": 8,
        "preferred_batch_sizes": [2],
        "max_batch_time": 60,
    },
}

VARIABLES = {
    "OTEL_BSP_SCHEDULE_DELAY": "50",
    "OTEL_BLRP_SCHEDULE_DELAY": "50",
    "OTEL_METRIC_EXPORT_INTERVAL": "500",
    "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
}
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for name, settings in SETTINGS.items():
        (root / name).mkdir()
        (root / name / "telling.py").write_text(MODELS)
        (root / name / "model-settings.json").write_text(json.dumps({"name": name, **settings}))
    return root


class Traced:
    """A server and the collector that it sends to."""

    def __init__(self, server: RunningServer, collector: Collector) -> None:
        self.server = server
        self.collector = collector

    def infer(self, model: str, value: float = 1, traceparent: str = TRACEPARENT, **headers: str) -> Any:
        body = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [value]}]}
        return self.server.post(f"/v2/models/{model}/infer", body, {"traceparent": traceparent, **headers})

    def forget(self) -> None:
        self.collector.spans.clear()
        self.collector.lines.clear()


@pytest.fixture(scope="module", params=["worker", "inline"])
def module_traced(request: pytest.FixtureRequest, folder: Path) -> Iterator[Traced]:
    """Return a server with a worker that sends over HTTP, packed, and one without that sends over gRPC."""
    collector, stop = over_http() if request.param == "worker" else over_grpc()
    variables = {**VARIABLES, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    if request.param == "worker":
        variables["OTEL_EXPORTER_OTLP_COMPRESSION"] = "gzip"
    else:
        variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc"
    workers = "1" if request.param == "worker" else "0"
    server = start_server(folder, "--parallel-workers", workers, "--json-logs", env=variables)
    yield Traced(server, collector)
    assert server.stop() == 0
    stop()


@pytest.fixture
def traced(module_traced: Traced) -> Traced:
    module_traced.forget()
    return module_traced


@pytest.mark.parametrize("model", ["threaded", "awaited"])
def test_the_spans_of_a_request_are_one_tree(traced: Traced, model: str) -> None:
    assert traced.infer(model).status == 200

    spans = traced.collector
    spans.wait(lambda: len(spans.spans) >= 5)
    assert {span.trace_id for span in spans.spans} == {TRACE_ID}
    front = spans.one("POST /v2/models/{model_name}/infer")
    assert front.parent_id == "00f067aa0ba902b7"
    for step in ("decode", "predict", "encode"):
        assert spans.one(step).parent_id == front.span_id
    assert spans.one("mine").parent_id == spans.one("predict").span_id
    assert len(spans.spans) == 5
    assert {span.resource["service.name"] for span in spans.spans} == {"mlcore"}
    assert {span.resource["deployment.environment.name"] for span in spans.spans} == {"test"}
