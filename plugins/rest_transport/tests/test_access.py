"""The access log over REST."""

from __future__ import annotations

import logging

import pytest
from mlcore import MLModel, ModelSettings
from mlcore.handlers import custom_handler
from mlcore.types import InferenceResponse

from .conftest import text_request


class Breaking(MLModel):
    """Breaks its streams off."""

    async def predict_stream(self, payloads):
        yield InferenceResponse(model_name=self.name, outputs=[])
        raise ValueError


class Greeting(MLModel):
    """Has a custom handler."""

    @custom_handler(rest_path="/hello", rest_method="GET")
    def hello(self) -> str:
        return "hello"


@pytest.fixture
def lines(caplog):
    """Return a function that gives the lines so far; all of them once the server has stopped."""
    caplog.set_level("DEBUG", logger="mlcore")
    return lambda: [record for record in caplog.records if record.name == "mlcore.access"]


@pytest.mark.parametrize("option", [{"debug": True}, {"access_log": 1}])
def test_each_request_is_one_line(serve, lines, option):
    serving = serve(**option)
    serving.get("/v2/models/a%0Ab?x=1")
    serving.ask("echo", "hello", {"X-Request-Id": "r-1"})
    serving.stop()

    first, second = lines()
    assert (first.method, first.path, first.status) == ("GET", "/v2/models/a%0Ab", 404)
    assert (second.method, second.path, second.status) == ("POST", "/v2/models/echo/infer", 200)
    assert (second.model, second.request_id, second.peer) == ("echo", "r-1", "127.0.0.1")
    assert second.request_bytes > 50
    assert second.response_bytes > 50
    assert second.duration_ms > 0


def test_the_line_of_a_custom_handler_names_its_model(serve, lines):
    serving = serve(ModelSettings(name="greeting", implementation=Greeting), access_log=1)
    serving.get("/hello", {"X-Request-Id": "r-1"})
    serving.stop()

    (line,) = lines()
    assert (line.path, line.status, line.model, line.request_id) == ("/hello", 200, "greeting", "r-1")


def test_a_line_has_the_id_that_the_answer_has(serve, lines):
    serving = serve(access_log=1)
    body = {"id": "own", "inputs": [{"name": "x", "datatype": "INT8", "shape": [1], "data": [1]}]}
    answers = [
        serving.post("/v2/models/echo/infer", body, {"X-Request-Id": "r-1"}),
        serving.ask("echo", "x", {"X-Request-Id": "r-1"}),
        serving.ask("echo", "x"),
    ]
    serving.stop()

    ids = [line.request_id for line in lines()]
    assert ids == [answer.json()["id"] for answer in answers]
    assert ids[:2] == ["own", "r-1"]


def test_a_failure_of_a_model_and_its_request_are_found_by_one_id(serve, lines, caplog):
    serving = serve(access_log=1)
    serving.ask("failing", "unforeseen")
    serving.stop()

    (failure,) = [record for record in caplog.records if record.getMessage() == "the model failed"]
    assert lines()[0].request_id == failure.request_id


def test_unless_it_is_asked_for_only_errors_of_the_server_are_lines(serve, lines):
    serving = serve()
    serving.get("/v2")
    serving.ask("echo", "x")
    serving.get("/v2/nowhere")
    answer = serving.ask("failing", "unforeseen", {"X-Request-Id": "r-1"})
    serving.stop()

    (line,) = lines()
    assert (line.status, line.levelno, line.model, line.request_id) == (500, logging.WARNING, "failing", "r-1")
    assert line.request_bytes > 50
    assert line.response_bytes == len(answer.body)


def test_of_a_sample_every_error_of_the_server_is_a_line(serve, lines):
    serving = serve(access_log=1e-9)
    serving.get("/v2")
    serving.get("/v2/nowhere")
    serving.ask("failing", "unforeseen")
    serving.stop()

    (line,) = lines()
    assert (line.status, line.levelno) == (500, logging.WARNING)


def test_a_stream_is_one_line_and_a_broken_one_an_error_of_the_server(serve, lines):
    serving = serve(ModelSettings(name="breaking", implementation=Breaking), access_log=1e-9)
    answer = serving.post("/v2/models/breaking/infer_stream", text_request("x"))
    serving.stop()

    (line,) = lines()
    assert (line.model, line.status, line.levelno) == ("breaking", 200, logging.WARNING)
    assert line.response_bytes == len(answer.body)


def test_a_line_shows_neither_payload_nor_headers_nor_query(serve, lines):
    serving = serve(access_log=1)
    serving.ask("echo", "payload-4711", {"Authorization": "Bearer token-4711", "X-Request-Id": "no id 4711"})
    serving.get("/v2?secret=4711")
    serving.stop()

    assert len(lines()) == 2
    assert not any("4711" in str(vars(line)) for line in lines())


def test_a_long_path_is_cut(serve, lines):
    serving = serve(access_log=1)
    serving.get("/v2/models/" + "a" * 5000)
    serving.stop()

    assert len(lines()[0].path) == 256


def test_a_client_that_has_gone_is_a_line_too(serve, lines):
    serving = serve(access_log=1)
    with serving.connect() as client:
        client.sendall(b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{")
    serving.stop()

    assert [line.status for line in lines()] == [499]
