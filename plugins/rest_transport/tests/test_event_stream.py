"""Streams of server-sent events, of models in the server's own process and in workers, over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

MODEL = '''
import asyncio
import os
import time
from pathlib import Path

from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.errors import InferenceError
from mlcore.types import InferenceResponse, Parameters


class Says(MLModel):
    def says(self, text, **headers):
        output = StringCodec.encode_output("said", [str(text)])
        return InferenceResponse(model_name=self.name, outputs=[output], parameters=Parameters(headers=headers))


class Asked(Says):
    """Does what its input says."""

    async def predict_stream(self, payloads):
        async for payload in payloads:
            verb, *words = self.decode(payload.inputs[0], StringCodec)
            if verb == "wait":
                async for answer in self.waits(*words):
                    yield answer
            elif verb == "fill":
                for number in range(int(words[0])):
                    Path(words[2], "made").write_text(str(number))
                    yield self.says(f"{number:0{words[1]}}")
            else:
                for number, word in enumerate(words):
                    yield self.says(word, **{"X-Number": number})
                if verb == "refuse":
                    raise InferenceError("that is\\nwrong")
                if verb == "break":
                    raise RuntimeError("/secret/path is broken")

    async def waits(self, folder):
        folder = Path(folder)
        try:
            yield self.says(os.getpid())
            while not (folder / "go").exists():
                await asyncio.sleep(0.01)
            yield self.says("gone on")
        finally:
            (folder / "closed").touch()


class Plain(Says):
    """Does the same, in a thread."""

    def predict_stream(self, payloads):
        for payload in payloads:
            folder = Path(self.decode(payload.inputs[0], StringCodec)[1])
            try:
                yield self.says(os.getpid())
                while not (folder / "go").exists() and not (folder / "step").exists():
                    time.sleep(0.01)
                yield self.says("gone on")
            finally:
                (folder / "closed").touch()


class Single(Says):
    def predict(self, payload):
        return self.says("all at once")
'''

SETTINGS = {
    "asked": {"implementation": "streams.Asked"},
    "plain": {"implementation": "streams.Plain"},
    "single": {"implementation": "streams.Single", "parameters": {"version": "v1"}},
    "hasty": {"implementation": "streams.Asked", "request_timeout": 1.5},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name, settings in SETTINGS.items():
        (root / name).mkdir()
        (root / name / "streams.py").write_text(MODEL)
        (root / name / "model-settings.json").write_text(json.dumps({"name": name, **settings}))
    return root


@pytest.fixture(scope="module", params=[0, 1], ids=["inline", "worker"])
def server(models, serving_of, request):
    with serving_of(folder=models, parallel_workers=request.param, server_timing=True) as serving:
        yield serving


@pytest.fixture
def own(models, serving_of):
    """Return a function that starts a server which the test may stop."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(serving_of(folder=models, **options))


def body_of(*words):
    return {"id": "s-1", "inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(words)], "data": list(words)}]}


class Client:
    """A client that reads a stream event by event."""

    def __init__(self, server, timeout=60, receive_bytes=None):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=timeout)
        if receive_bytes is not None:
            self.connection.sock = socket.socket()
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            self.connection.sock.settimeout(timeout)
            self.connection.sock.connect((server.host, server.port))

    def ask(self, model, *words, path="infer_stream", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(model, json.dumps(body_of(*words)), {"Content-Type": "application/json", **headers}, path)

    def send(self, model, body, headers, path="infer_stream"):
        self.connection.request("POST", f"/v2/models/{model}/{path}", body, headers)
        self.answer = self.connection.getresponse()
        return self

    def event(self):
        """Return the next event's name and data; `None` at a clean end."""
        lines = {}
        while line := self.answer.readline():
            if line == b"\n":
                return lines.get("event", "message"), json.loads(lines["data"])
            name, _, value = line.decode().removesuffix("\n").partition(": ")
            assert name not in lines
            lines[name] = value
        assert not lines
        return None

    def events(self):
        return list(iter(self.event, None))

    def hang_up(self):
        self.answer.close()
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


@pytest.fixture
def client(server):
    with Client(server) as client:
        yield client


def said(event):
    name, data = event
    assert name == "message"
    return data["outputs"][0]["data"][0]


def until(condition, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


# --- events ---


@pytest.mark.parametrize("path", ["infer_stream", "generate_stream", "infer_stream/", "infer%5Fstream"])
def test_each_answer_is_an_event_in_order(client, path):
    client.ask("asked", "say", "one", "two\nlines", "\u2028 ü", path=path)

    assert (client.answer.status, client.answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    first, second, third = client.events()
    assert first == (
        "message",
        {
            "model_name": "asked",
            "id": "s-1",
            "outputs": [
                {
                    "name": "said",
                    "datatype": "BYTES",
                    "shape": [1, 1],
                    "parameters": {"content_type": "str"},
                    "data": ["one"],
                }
            ],
        },
    )
    assert [said(second), said(third)] == ["two\nlines", "\u2028 ü"]


@pytest.mark.parametrize("model", ["asked", "plain"])
@pytest.mark.parametrize("accepted", ["identity", "gzip"])
def test_an_event_is_there_as_soon_as_its_answer_is(client, tmp_path, model, accepted):
    client.ask(model, "wait", str(tmp_path), Accept_Encoding=accepted)
    client.event()
    (tmp_path / "go").touch()

    assert said(client.event()) == "gone on"
    assert client.event() is None
    assert client.answer.headers["Content-Encoding"] is None


def test_proxies_are_asked_not_to_gather_events(client):
    client.ask("asked", "say", "a")

    assert client.answer.headers["X-Accel-Buffering"] == "no"


@pytest.mark.parametrize("path", ["infer_stream", "versions/v1/generate_stream"])
def test_a_model_without_predict_stream_answers_one_event(client, path):
    assert [said(event) for event in client.ask("single", "say", path=path).events()] == ["all at once"]


def test_a_stream_without_answers_has_no_events(client):
    client.ask("asked", "say")

    assert (client.answer.status, client.answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    assert client.events() == []


def test_the_headers_of_the_first_answer_are_the_responses(client):
    assert client.ask("asked", "say", "a", "b").answer.headers.get_all("X-Number") == ["0"]


def test_server_timing_tells_of_the_first_answer(client):
    timing = client.ask("asked", "say", "a", "b").answer.headers["Server-Timing"]

    assert re.fullmatch(r"queue;dur=[\d.]+, decode;dur=[\d.]+, predict;dur=[\d.]+, encode;dur=[\d.]+", timing)


# --- binary requests ---


def binary(*words, **parameters):
    part = b"".join(len(word).to_bytes(4, "little") + word for word in words)
    tensor = {"name": "text", "datatype": "BYTES", "shape": [len(words)], "parameters": {"binary_data_size": len(part)}}
    head = json.dumps({"parameters": {"content_type": "str", **parameters}, "inputs": [tensor]}).encode()
    return head + part, {"Inference-Header-Content-Length": str(len(head))}


def test_a_request_may_be_binary(client):
    client.send("asked", *binary(b"say", b"one", b"two"))

    assert [said(event) for event in client.events()] == ["one", "two"]


def test_answers_cannot_be_binary(client):
    client.send("asked", *binary(b"say", b"one", b"two", binary_data_output=True))

    assert client.answer.status == 400
    assert "leave binary_data_output" in json.loads(client.answer.read())["error"]


# --- errors ---


@pytest.mark.parametrize(
    ("model", "words", "status", "text"),
    [
        ("nope", ["say"], 404, "nope"),
        ("single/versions/v2", ["say"], 404, "v2"),
        ("asked", [], 500, "error id"),
        ("asked", ["refuse"], 400, "that is\nwrong"),
        ("asked", ["break"], 500, "error id"),
    ],
)
def test_an_error_before_the_first_event_is_a_status(client, model, words, status, text):
    client.ask(model, *words)

    assert (client.answer.status, client.answer.headers["Content-Type"]) == (status, "application/json")
    assert text in json.loads(client.answer.read())["error"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [(b"", {}, 400), (b"{}", {}, 400), (b"{}", {"Content-Type": "text/plain"}, 415), (b"{}", {"Accept": "x"}, 400)],
)
def test_a_request_that_is_wrong_is_refused_as_by_infer(client, body, headers, status):
    assert client.send("asked", body, headers).answer.status == status


def test_only_post_is_taken(server):
    answer = server.get("/v2/models/asked/infer_stream")

    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("verb", "text"), [("refuse", "^that is\nwrong$"), ("break", "^the model 'asked' failed .* error id [0-9a-f]{12}$")]
)
def test_an_error_after_the_first_event_is_the_last_event_of_a_clean_response(client, verb, text):
    first, (name, data) = client.ask("asked", verb, "one").events()

    assert said(first) == "one"
    assert (name, list(data)) == ("error", ["error"])
    assert re.match(text, data["error"])
    assert said(client.ask("asked", "say", "still here").event()) == "still here"  # over the same connection


def test_a_stream_that_takes_too_long_ends_with_an_error(client, tmp_path):
    first, (name, data) = client.ask("hasty", "wait", str(tmp_path)).events()

    assert first
    assert name == "error"
    assert "1.5 s" in data["error"]
    until((tmp_path / "closed").exists)


def test_a_stream_whose_worker_dies_ends_with_an_error(own, tmp_path):
    with Client(own(parallel_workers=1)) as client:
        client.ask("asked", "wait", str(tmp_path))
        os.kill(int(said(client.event())), signal.SIGKILL)

        name, data = client.event()
        assert name == "error"
        assert "worker" in data["error"]
        assert client.event() is None


# --- clients that go away, or do not read ---


@pytest.mark.parametrize("model", ["asked", "plain"])
def test_a_client_that_goes_away_ends_the_models_work(server, tmp_path, model):
    with Client(server) as client:
        client.ask(model, "wait", str(tmp_path)).event()
        client.hang_up()
    if model == "plain":  # a thread ends at its next step
        until(lambda: server.get("/v2/health/live").status == 200)
        (tmp_path / "step").touch()

    until((tmp_path / "closed").exists)


def made(folder):
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int((folder / "made").read_text())
    return -1


def held_up(folder):
    """Return how many answers a model has made, once it makes no more."""
    before, same = -1, 0
    while same < 20:
        now = made(folder)
        same = same + 1 if now == before >= 0 else 0
        before = now
        time.sleep(0.01)
    return before


def test_a_model_waits_for_a_client_that_reads_slowly(server, tmp_path):
    count, size = 400, 100_000
    with Client(server, receive_bytes=4096) as client:
        client.ask("asked", "fill", str(count), str(size), str(tmp_path))
        assert held_up(tmp_path) < count / 2

        assert [int(said(event)[-9:]) for event in client.events()] == list(range(count))


# --- stop ---


@pytest.mark.parametrize("workers", [0, 1])
def test_at_stop_a_stream_is_finished(own, tmp_path, workers):
    server = own(parallel_workers=workers)
    with Client(server) as client, ThreadPoolExecutor() as threads:
        client.ask("asked", "wait", str(tmp_path)).event()
        stopped = threads.submit(server.stop)
        until(lambda: is_closed(server))
        (tmp_path / "go").touch()

        assert said(client.event()) == "gone on"
        assert client.event() is None
        stopped.result()


def is_closed(server):
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("workers", [0, 1])
def test_after_the_grace_period_a_stream_is_told_and_one_that_nobody_reads_is_cut(own, tmp_path, workers, caplog):
    server = own(parallel_workers=workers, grace_period=1)
    with Client(server) as client, Client(server, receive_bytes=4096) as deaf:
        client.ask("asked", "wait", str(tmp_path)).event()
        deaf.ask("asked", "fill", "100000", "100000", str(tmp_path))
        held_up(tmp_path)
        server.stop()

        assert client.event() == ("error", {"error": "the server stopped before this stream was done"})
        assert client.event() is None
    assert (tmp_path / "closed").exists()
    assert not [record for record in caplog.records if record.exc_info]
