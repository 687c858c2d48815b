"""Traces of requests, as a real collector receives them, over HTTP and gRPC, of servers with a worker and without."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import Queue
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tritonclient.grpc
from collector import Collector, Line, over_grpc, over_http
from mlcore.testing import start_server
from tritonclient.utils import InferenceServerException

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlcore.testing.process import RunningServer

MODELS = """
import logging
import time
from pathlib import Path

from mlcore import MLModel
from mlcore.codecs import NumpyCodec
from mlcore.types import InferenceResponse
from opentelemetry import trace

tracer = trace.get_tracer("mine")
log = logging.getLogger("mine")


class Answers(MLModel):
    def unload(self):
        log.warning("the last word")

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


class Breaking(Answers):
    async def predict_stream(self, payloads):
        async for payload in payloads:
            yield self.answer(payload)
            raise ValueError("payload 4711")


class Gated(Answers):
    def predict(self, payload):
        while not Path(__file__).with_name("open").exists():
            time.sleep(0.01)
        return self.answer(payload)
"""

SETTINGS: dict[str, dict[str, Any]] = {
    "threaded": {"implementation": "telling.Threaded", "parameters": {"version": "v1"}},
    "awaited": {"implementation": "telling.Awaited"},
    "streaming": {"implementation": "telling.Streaming"},
    "breaking": {"implementation": "telling.Breaking"},
    "gated": {"implementation": "telling.Gated", "max_queue_size": 3},
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
    "MLCORE_ACCESS_LOG": "1",
    "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
}
ROUTE = "POST /v2/models/{model_name}/infer"
CALL = "inference.GRPCInferenceService/ModelInfer"
SERVER = 2
ERROR = 2
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
        return self.ask(model, "infer", value, traceparent, **headers)

    def ask(self, model: str, verb: str, value: float, traceparent: str = TRACEPARENT, **headers: str) -> Any:
        body = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [value]}]}
        return self.server.post(f"/v2/models/{model}/{verb}", body, {"traceparent": traceparent, **headers})

    def line(self, logger: str, request_id: str) -> Line | None:
        """Return the line of a logger for a request, once it is there."""
        for line in self.collector.lines:
            if line.logger == logger and line.attributes.get("request_id") == request_id:
                return line
        return None

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
    last = [line for line in collector.lines if line.text == "the last word"]
    assert len(last) == len(SETTINGS), "each is delivered, whatever process it comes from"
    assert all(json.loads(line)["event"] for line in server.log)


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
    front = spans.one(ROUTE)
    assert front.parent_id == "00f067aa0ba902b7"
    for step in ("decode", "predict", "encode"):
        assert spans.one(step).parent_id == front.span_id
    assert spans.one("mine").parent_id == spans.one("predict").span_id
    assert len(spans.spans) == 5
    assert {span.resource["service.name"] for span in spans.spans} == {"mlcore"}
    assert {span.resource["deployment.environment.name"] for span in spans.spans} == {"test"}


def test_a_batch_is_a_run_that_its_requests_link_to(traced: Traced) -> None:
    parents = {f"00-{index:032x}-00000000000000aa-01": f"{index:032x}" for index in (1, 2)}
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda parent: traced.infer("batched", 1, parent), parents))

    assert [answer.status for answer in answers] == [200, 200]
    spans = traced.collector
    spans.wait(lambda: len(spans.spans) >= 11)
    members = spans.named("batch")
    run = spans.one("run")
    assert {span.trace_id for span in members} == set(parents.values())
    assert run.parent_id in {span.span_id for span in members}
    assert sorted(run.links) == sorted(span.span_id for span in members)
    assert [span.links for span in members] == [[run.span_id]] * 2
    assert run.attributes["mlcore.batch.requests"] == 2
    assert spans.one("predict").parent_id == run.span_id
    assert spans.one("mine").parent_id == spans.one("predict").span_id
    fronts = {span.span_id: span.trace_id for span in spans.named(ROUTE)}
    assert all(fronts[span.parent_id] == span.trace_id for span in members)


def test_of_a_batch_that_fails_each_request_is_run_within_its_own_trace(traced: Traced) -> None:
    parents = {f"00-{index:032x}-00000000000000aa-01": f"{index:032x}" for index in (1, 2)}
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda parent: traced.infer("batched", -1, parent), parents))

    assert [answer.status for answer in answers] == [500, 500]
    spans = traced.collector
    spans.wait(lambda: len(spans.spans) >= 13)
    run, members = spans.one("run"), spans.named("batch")
    merged, *alone = spans.named("predict")
    assert (run.status, run.attributes["error.type"], merged.parent_id) == (ERROR, "ValueError", run.span_id)
    assert {(span.parent_id, span.trace_id) for span in alone} == {(span.span_id, span.trace_id) for span in members}
    assert {span.status for span in members} == {ERROR}


def test_a_request_that_waited_for_its_turn_says_so(traced: Traced, folder: Path) -> None:
    gate = folder / "gated/open"
    gate.unlink(missing_ok=True)
    with ThreadPoolExecutor(5) as threads:
        asked = [threads.submit(traced.infer, "gated") for _ in range(5)]
        refused = next(as_completed(asked)).result()  # hence the others are in
        gate.touch()
    assert refused.status == 503
    assert sorted(each.result().status for each in asked) == [200] * 4 + [503]

    spans = traced.collector
    spans.wait(lambda: len(spans.named(ROUTE)) == 5 and len(spans.named("encode")) == 4)
    waited = spans.named("queue")
    fronts = {span.span_id for span in spans.named(ROUTE)}
    assert 1 <= len(waited) <= 3
    assert {span.parent_id for span in waited} < fronts


def test_an_error_is_on_every_span_that_it_passes_without_its_text(traced: Traced) -> None:
    assert traced.infer("threaded", -1).status == 500

    spans = traced.collector
    spans.wait(lambda: len(spans.spans) >= 4)
    assert {span.name for span in spans.spans if span.status == ERROR} == {ROUTE, "predict", "mine"}
    predict = spans.one("predict")
    assert predict.attributes["error.type"] == "ValueError"
    assert predict.events == [("exception", {"exception.type": "ValueError"})]
    assert spans.one(ROUTE).attributes["http.response.status_code"] == 500


def test_a_request_says_what_was_asked(traced: Traced) -> None:
    traced.server.post("/v2/models/threaded/versions/v1/infer", b"{", {"traceparent": TRACEPARENT})

    spans = traced.collector
    spans.wait(lambda: len(spans.spans) >= 2)
    front = spans.one("POST /v2/models/{model_name}/versions/{model_version}/infer")
    assert front.kind == SERVER
    assert front.status != ERROR, "the client is to blame"
    expected = {
        "http.request.method": "POST",
        "http.route": "/v2/models/{model_name}/versions/{model_version}/infer",
        "http.response.status_code": 400,
        "url.path": "/v2/models/threaded/versions/v1/infer",
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "mlcore.model": "threaded",
        "mlcore.version": "v1",
    }
    assert {name: front.attributes[name] for name in expected} == expected


def test_of_other_routes_all_but_those_of_probes_are_traced(traced: Traced) -> None:
    probes = ("/v2/health/live", "/v2/health/ready", "/v2/models/threaded/ready")
    for path in (*probes, "/v2/nowhere", "/v2/models/threaded"):
        traced.server.get(path, {"traceparent": TRACEPARENT})

    spans = traced.collector
    spans.wait(lambda: len(spans.spans) >= 2)
    assert [span.name for span in spans.spans] == ["GET", "GET /v2/models/{model_name}"]


def test_what_a_client_does_not_record_is_not_recorded(traced: Traced) -> None:
    traced.infer("threaded", 1, TRACEPARENT[:-1] + "0")
    traced.infer("threaded", 1, TRACEPARENT)

    spans = traced.collector
    spans.wait(lambda: len(spans.spans) >= 5)
    assert len(spans.spans) == 5


@pytest.mark.parametrize(
    "traceparent",
    ["", "x" * 20_000, "00-" + "0" * 32 + "-00f067aa0ba902b7-01", TRACEPARENT.upper(), "\xe4", TRACEPARENT + "x"],
    ids=["empty", "long", "zeros", "capitals", "umlaut", "too long"],
)
def test_a_trace_that_cannot_be_read_is_as_good_as_none(traced: Traced, traceparent: str) -> None:
    assert traced.infer("threaded", 1, traceparent, tracestate=",;=" * 1000).status == 200

    spans = traced.collector
    spans.wait(lambda: len(spans.spans) >= 5)
    assert spans.one(ROUTE).parent_id == ""
    (trace_id,) = {span.trace_id for span in spans.spans}
    assert trace_id != TRACE_ID


def test_log_lines_name_their_request_and_their_span(traced: Traced) -> None:
    traced.infer("threaded", 1, **{"X-Request-Id": "r-1"})

    found = traced.collector
    found.wait(lambda: len(found.spans) >= 5 and traced.line("mine", "r-1"))
    line = traced.line("mine", "r-1")
    assert (line.text, line.severity) == ("at work", "WARN")
    assert (line.trace_id, line.span_id) == (TRACE_ID, found.one("mine").span_id)
    assert (line.attributes["model"], line.attributes["version"]) == ("threaded", "v1")
    written = next(json.loads(text) for text in traced.server.log if '"at work"' in text and '"r-1"' in text)
    assert (written["trace_id"], written["span_id"]) == (line.trace_id, line.span_id)
    assert (written["model"], written["version"]) == ("threaded", "v1")


def test_a_line_of_the_access_log_names_the_span_of_its_request(traced: Traced) -> None:
    traced.infer("threaded", **{"X-Request-Id": "r-2"})

    found = traced.collector
    found.wait(lambda: len(found.spans) >= 5 and traced.line("mlcore.access", "r-2"))
    line = traced.line("mlcore.access", "r-2")
    assert line.span_id == found.one(ROUTE).span_id
    expected = {"method": "POST", "path": "/v2/models/threaded/infer", "status": 200, "model": "threaded"}
    expected["peer"] = "127.0.0.1"
    assert {name: line.attributes[name] for name in expected} == expected


def test_the_lines_of_a_failure_have_one_id_though_the_client_gave_none(traced: Traced) -> None:
    traced.infer("awaited", -1)

    found = traced.collector
    lines = {"the model failed", "request"}
    found.wait(lambda: len(found.spans) >= 4 and lines <= {line.text for line in found.lines})
    failed, answered = ([line for line in found.lines if line.text == text] for text in ("the model failed", "request"))
    assert failed[-1].attributes["request_id"] == answered[-1].attributes["request_id"]
    assert failed[-1].attributes["error_id"]
    assert failed[-1].trace_id == answered[-1].trace_id == TRACE_ID


def test_a_call_of_grpc_is_traced_as_a_request_is(traced: Traced) -> None:
    tensor = tritonclient.grpc.InferInput("x", [1, 1], "FP64")
    tensor.set_data_from_numpy(np.array([[1.0]]))
    address = traced.server.urls["grpc"].removeprefix("grpc://")
    with tritonclient.grpc.InferenceServerClient(address) as client:
        assert client.is_server_live(headers={"traceparent": TRACEPARENT}), "which is not traced"
        client.infer("threaded", [tensor], "v1", request_id="r-3", headers={"traceparent": TRACEPARENT})

    found = traced.collector
    found.wait(lambda: len(found.spans) >= 5 and traced.line("mlcore.access", "r-3"))
    assert len(found.spans) == 5
    assert {span.trace_id for span in found.spans} == {TRACE_ID}
    front = found.one(CALL)
    assert (front.kind, front.parent_id) == (SERVER, "00f067aa0ba902b7")
    for step in ("decode", "predict", "encode"):
        assert found.one(step).parent_id == front.span_id
    expected = {"rpc.system.name": "grpc", "rpc.method": CALL, "rpc.response.status_code": "OK"}
    expected |= {"mlcore.model": "threaded", "mlcore.version": "v1", "client.address": "127.0.0.1"}
    assert {name: front.attributes[name] for name in expected} == expected
    line = traced.line("mlcore.access", "r-3")
    assert (line.span_id, line.attributes["path"], line.attributes["status"]) == (front.span_id, f"/{CALL}", "OK")


def test_a_stream_is_one_span_with_the_number_of_its_answers(traced: Traced) -> None:
    tensor = tritonclient.grpc.InferInput("x", [1, 1], "FP64")
    tensor.set_data_from_numpy(np.array([[1.0]]))
    answers: Queue[Any] = Queue()
    address = traced.server.urls["grpc"].removeprefix("grpc://")
    with tritonclient.grpc.InferenceServerClient(address) as client:
        client.start_stream(lambda result, error: answers.put(error), headers={"traceparent": TRACEPARENT})
        client.async_stream_infer("streaming", [tensor])
        assert [answers.get(timeout=60) for _ in range(3)] == [None] * 3
        client.stop_stream()

    found = traced.collector
    found.wait(lambda: len(found.spans) >= 6)
    front = found.one("inference.GRPCInferenceService/ModelStreamInfer")
    predict = found.one("predict")
    assert (found.one("decode").parent_id, predict.parent_id) == (front.span_id, front.span_id)
    assert predict.events == [("answers", {"mlcore.answers": 3})]
    assert [span.parent_id for span in found.named("mine")] == [predict.span_id] * 3


def test_the_span_of_a_stream_over_rest_covers_all_of_it(traced: Traced) -> None:
    assert traced.ask("streaming", "infer_stream", 1).body.count(b"data: ") == 3

    found = traced.collector
    found.wait(lambda: len(found.spans) >= 6)
    front, predict = found.one("POST /v2/models/{model_name}/infer_stream"), found.one("predict")
    assert (found.one("decode").parent_id, predict.parent_id) == (front.span_id, front.span_id)
    assert predict.events == [("answers", {"mlcore.answers": 3})]
    assert front.end > predict.end
    assert (front.attributes["http.response.status_code"], front.status) == (200, 0)


def test_the_span_of_a_stream_that_breaks_off_has_failed_though_its_status_is_200(traced: Traced) -> None:
    answer = traced.ask("breaking", "infer_stream", 1)

    found = traced.collector
    found.wait(lambda: len(found.spans) >= 4)
    front = found.one("POST /v2/models/{model_name}/infer_stream")
    assert b"event: error" in answer.body
    assert (front.attributes["http.response.status_code"], front.status) == (200, ERROR)
    assert front.attributes["error.type"] == "internal"


def test_a_call_of_grpc_that_fails_says_how(traced: Traced) -> None:
    tensor = tritonclient.grpc.InferInput("x", [1, 1], "FP64")
    tensor.set_data_from_numpy(np.array([[-1.0]]))
    address = traced.server.urls["grpc"].removeprefix("grpc://")
    with (
        tritonclient.grpc.InferenceServerClient(address) as client,
        pytest.raises(InferenceServerException, match="error id"),
    ):
        client.infer("awaited", [tensor], headers={"traceparent": TRACEPARENT})

    found = traced.collector
    found.wait(lambda: len(found.spans) >= 4)
    front = found.one(CALL)
    assert (front.status, front.attributes["rpc.response.status_code"]) == (ERROR, "INTERNAL")
    assert front.attributes["error.type"] == "INTERNAL"


def test_no_log_line_and_no_span_holds_a_payload(traced: Traced) -> None:
    traced.infer("threaded", 4711.25)

    found = traced.collector
    found.wait(lambda: len(found.spans) >= 5)
    assert "4711.25" not in str(found.spans) + str(found.lines) + "".join(traced.server.log)


def test_metrics_are_pushed_with_what_workers_measure(traced: Traced) -> None:
    traced.infer("threaded")

    found = traced.collector
    found.wait(lambda: {"mlcore.request.duration", "mlcore.batch.rows"} <= found.metrics.keys())
    points = found.metrics["mlcore.request.duration"].histogram.data_points
    assert "threaded" in {each.value.string_value for point in points for each in point.attributes}


def test_each_exporter_sends_as_it_is_told(traced: Traced) -> None:
    traced.infer("threaded")

    found = traced.collector
    found.wait(lambda: found.spans and found.metrics and found.lines)
    if found.paths:
        assert found.paths == {"/v1/traces", "/v1/metrics", "/v1/logs"}
        assert found.encodings == {"gzip"}
