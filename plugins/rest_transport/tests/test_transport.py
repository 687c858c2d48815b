"""The transport's life: the port, the start, the stop, and what a hostile client costs a real process."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from memory import peak_memory
from mlcore import MLModel, ModelSettings, Server
from mlcore.errors import PortInUseError

REQUEST = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}

ECHO = """
import time
from mlcore import MLModel
from mlcore.types import InferenceResponse, ResponseOutput

class Echo(MLModel):
    def predict(self, payload):
        tensor = payload.inputs[0]
        if tensor.name == "slow":
            (self.settings.folder / "began").touch()
            while not (self.settings.folder / "go").exists():
                time.sleep(0.01)
        output = ResponseOutput(name="y", shape=[1], datatype="INT64", data=[len(tensor.data)])
        return InferenceResponse(model_name=self.name, outputs=[output])
"""


def until(condition):
    """Wait until a condition holds."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


class Waiting(MLModel):
    """Answers once it is released; loads then, too, if it is told so."""

    def load(self):
        events = self.settings.parameters.extra
        if events.get("loads"):
            events["loads"].wait(60)

    def predict(self, payload):
        from mlcore.codecs import StringCodec
        from mlcore.types import InferenceResponse

        events = self.settings.parameters.extra
        events["started"].set()
        events["released"].wait(60)
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("done", ["yes"])])


@pytest.fixture
def events():
    made = {"started": threading.Event(), "released": threading.Event()}
    yield made
    made["released"].set()


@pytest.fixture
def waiting(events):
    return ModelSettings(name="waiting", implementation=Waiting, parameters={"extra": events})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "echo.py").write_text(ECHO)
    (tmp_path / "model-settings.json").write_text('{"name": "echo", "implementation": "echo.Echo"}')
    return tmp_path


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


async def test_a_port_that_is_taken_is_one_clear_error(taken):
    with pytest.raises(PortInUseError) as error:
        await Server(
            models=[ModelSettings(name="m", implementation=MLModel)], transports=["rest"], http_port=taken
        ).start()

    assert str(error.value) == (
        f"the REST transport cannot listen on 127.0.0.1:{taken}: Address already in use; "
        "choose another with --http-port or the setting http_port"
    )


async def test_a_host_that_is_not_this_machine_is_one_clear_error():
    model = ModelSettings(name="m", implementation=MLModel)
    for host in ("203.0.113.1", "no.such.host.invalid"):
        with pytest.raises(PortInUseError, match=f"cannot listen on {re.escape(host)}:0"):
            await Server(models=[model], transports=["rest"], http_port=0, host=host).start()


async def test_a_start_that_fails_is_not_hidden():
    server = Server(models=[ModelSettings(name="m", implementation=MLModel)], transports=["rest"], http_port=0)
    (transport,) = server.transports
    transport.bind()
    transport._socket.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        await transport.start()


def test_the_program_says_in_one_line_that_a_port_is_taken(server, folder, taken):
    with pytest.raises(RuntimeError) as error:
        server(folder, "--http-port", str(taken))

    log = str(error.value).partition("its log:\n")[2].splitlines()
    assert len(log) == 1
    assert f"cannot listen on 127.0.0.1:{taken}" in log[0]


def test_two_servers_live_in_one_process(serve):
    first, second = serve(server_name="first"), serve(server_name="second")

    assert [serving.get("/v2").json()["name"] for serving in (first, second)] == ["first", "second"]


def test_it_listens_on_ipv6_too(serve):
    with socket.socket(socket.AF_INET6) as probe:
        if probe.connect_ex(("::1", 1)) == 99:  # this machine has no such address
            return
    serving = serve(host="::1")

    assert serving.url == f"http://[::1]:{serving.port}"
    with socket.create_connection(("::1", serving.port), timeout=60) as client:
        client.sendall(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_it_is_live_but_not_ready_while_models_load(serving_of, events):
    events["loads"] = threading.Event()
    serving = serving_of(ModelSettings(name="waiting", implementation=Waiting, parameters={"extra": events}))
    with ThreadPoolExecutor() as threads:
        entering = threads.submit(serving.__enter__)
        try:
            transport = serving.server.transports[0]
            serving.host, serving.port = "127.0.0.1", _port_of(transport)
            assert serving.get("/v2/health/live").status == 200
            ready = serving.get("/v2/health/ready")
            model = serving.post("/v2/models/waiting/infer", REQUEST)
        finally:
            events["loads"].set()
            entering.result(60)
            later = serving.get("/v2/health/ready")
            serving.__exit__()

    assert (ready.status, model.status, later.status) == (503, 503, 200)
    assert model.headers["Retry-After"]


def _port_of(transport):
    for _ in range(3000):
        with contextlib.suppress(OSError):
            port = int(transport.url.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=60):
                return port
        time.sleep(0.02)
    raise AssertionError("it does not listen")


def test_a_stop_lets_the_request_under_way_finish_and_takes_no_other(serve, events, waiting):
    serving = serve(waiting)
    with ThreadPoolExecutor() as threads, serving.connect() as idle:
        asked = threads.submit(serving.post, "/v2/models/waiting/infer", REQUEST)
        assert events["started"].wait(60)
        stopping = threads.submit(serving.stop)
        assert idle.recv(1) == b""
        with pytest.raises(OSError, match="refused"):
            serving.get("/v2/health/live")
        assert not stopping.done()
        events["released"].set()
        answer = asked.result(60)
        stopping.result(60)

    assert answer.status == 200
    assert answer.headers["Connection"] == "close"


def test_f22_a_request_that_outlives_the_grace_period_is_answered_503(serve, events, waiting):
    serving = serve(waiting, grace_period=1)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(serving.post, "/v2/models/waiting/infer", REQUEST)
        assert events["started"].wait(60)
        stopping = threads.submit(serving.stop)
        answer = asked.result(60)
        events["released"].set()
        stopping.result(60)

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json() == {"error": "the server stopped before this request was done"}


def test_the_program_finishes_the_request_under_way_when_it_is_told_to_stop(server, folder):
    running = server(folder)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(running.infer, "echo", {**REQUEST["inputs"][0], "name": "slow"})
        until((folder / "began").exists)
        running.process.send_signal(signal.SIGTERM)
        until(lambda: any("stopping" in line for line in running.log))
        (folder / "go").touch()
        answer = asked.result(60)

    assert answer.status == 200
    assert running.process.wait(60) == 0
    running.stop()
    assert not [line for line in running.log if "Traceback" in line]


def test_a_second_signal_does_not_wait_for_a_client_that_takes_nothing(server, folder):
    (folder / "echo.py").write_text(ECHO.replace("[len(tensor.data)]", "[0] * 5_000_000").replace("[1]", "[5_000_000]"))
    running = server(folder, env={"MLCORE_GRACE_PERIOD": "300"})
    body = json.dumps(REQUEST).encode()
    with socket.create_connection(("127.0.0.1", urlsplit(running.url).port)) as client:
        client.sendall(
            b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        running.process.send_signal(signal.SIGTERM)
        until(lambda: any("stopping" in line for line in running.log))
        running.process.send_signal(signal.SIGTERM)

        assert running.process.wait(60) == 128 + signal.SIGTERM


def test_hostile_bodies_cost_a_process_no_more_than_its_limit(server, folder):
    limit = 4 * 2**20
    running = server(folder, env={"MLCORE_MAX_BODY_BYTES": str(limit)})
    headers = {"Content-Type": "application/json"}
    body = json.dumps(REQUEST).encode()
    full = body.replace(b"[1]}", b"[1" + b" " * (limit - len(body)) + b"]}")
    assert running.post("/v2/models/echo/infer", full, headers).status == 200
    before = peak_memory(running.process.pid)

    bomb = gzip.compress(bytes(256 * 2**20), compresslevel=1)
    for path in ("/v2/models/echo/infer", "/v2/repository/index"):
        assert running.post(path, bomb, {**headers, "Content-Encoding": "gzip"}).status == 413
    assert running.post("/v2/models/echo/infer", bytes(256 * 2**20), headers).status == 413
    for chunk in (b"1\r\nx\r\n" * 20_000, b"10000\r\n" + bytes(65536) + b"\r\n"):
        assert send_endlessly(running, chunk).startswith(b"HTTP/1.1 413 ")

    assert peak_memory(running.process.pid) - before < 16 * limit, "a quarter of the smallest that was sent"
    assert running.infer("echo", REQUEST["inputs"][0]).status == 200
    assert not [line for line in running.log if "Traceback" in line or "error" in line]


def send_endlessly(running, piece: bytes) -> bytes:
    """Send chunk after chunk until the server takes no more of them, and return what it said."""
    host, _, port = running.url.removeprefix("http://").rpartition(":")

    def send(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client.sendall(piece)

    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sender = threading.Thread(target=send, args=(client,))
        sender.start()
        said = client.recv(65536)
        sender.join(60)
        return said
