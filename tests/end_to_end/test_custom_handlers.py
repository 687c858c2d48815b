"""Custom handlers of models in workers: they follow a reload under traffic, and end with their client or their time."""

from __future__ import annotations

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlcore.testing import start_server

CODE = """
import asyncio
import os
from pathlib import Path

from litestar.response import Stream
from mlcore import MLModel
from mlcore.handlers import custom_handler

HERE = Path(__file__).parent


class Model(MLModel):
    @custom_handler(rest_path="/generation", rest_method="GET")
    async def generation(self) -> list:
        return [{generation}, os.getpid()]

    @custom_handler(rest_path="/only/{generation}", rest_method="GET")
    def only(self) -> int:
        return {generation}

    @custom_handler(rest_path="/echo")
    def echo(self, body: bytes) -> bytes:
        return body

    @custom_handler(rest_path="/stream", rest_method="GET")
    def stream(self, count: int) -> Stream:
        async def pieces():
            for _ in range(count):
                yield b"x" * 10_000

        return Stream(pieces(), media_type="text/plain")

    @custom_handler(rest_path="/wait", rest_method="GET")
    async def wait(self, name: str) -> None:
        (HERE / f"{{name}}.begun").touch()
        try:
            await asyncio.sleep(600)
        finally:
            (HERE / f"{{name}}.ended").touch()

    @custom_handler(rest_path="/exit", rest_method="GET")
    def exit(self) -> None:
        os._exit(7)
"""


LATE = """
import asyncio
from pathlib import Path

from mlcore import MLModel
from mlcore.handlers import custom_handler

HERE = Path(__file__).parent


class Model(MLModel):
    @custom_handler(rest_path="/late", rest_method="GET")
    async def late(self) -> None:
        (HERE / "begun").touch()
        try:
            await asyncio.sleep(600)
        finally:
            (HERE / "ended").touch()
"""


def write(folder, code, **settings):
    folder.mkdir(exist_ok=True)
    (folder / "model.py").write_text(code)
    settings = {"name": folder.name, "implementation": "model.Model", **settings}
    (folder / "model-settings.json").write_text(json.dumps(settings))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write(folder / "m", CODE.format(generation=1))
    write(folder / "late", LATE, request_timeout=1)
    return folder


@pytest.fixture(scope="module")
def server(repository):
    """Return a server whose models are in two workers."""
    running = start_server(repository, env={"MLCORE_PARALLEL_WORKERS": "2"})
    yield running
    running.stop()


def wait_for(condition):
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it does not happen")


def test_requests_and_answers_go_through_workers_whatever_their_size(server):
    (generation, pid) = server.get("/generation").json()
    assert (generation, pid != server.process.pid) == (1, True)
    for size in (0, 1, 100_000, 3_000_000):
        body = bytes(range(256)) * (size // 256) + b"\x00" * (size % 256)
        assert server.post("/echo", body).body == body
    assert len(server.get("/stream?count=100").body) == 1_000_000


def test_a_client_that_leaves_ends_its_handler(server, repository):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    connection.request("GET", "/wait?name=left")
    wait_for((repository / "m/left.begun").exists)
    connection.close()

    wait_for((repository / "m/left.ended").exists)


def test_a_handler_that_is_late_is_504_and_ends(server, repository):
    answer = server.get("/late")

    assert (answer.status, list(answer.json())) == (504, ["error"])
    wait_for(lambda: (repository / "late/ended").exists() == (repository / "late/begun").exists())


def test_no_request_is_lost_while_the_model_is_loaded_again(server, repository):
    stop = threading.Event()

    def ask():
        seen = []
        while not stop.is_set():
            answer = server.get("/generation")
            seen.append((answer.status, answer.json()[0] if answer.status == 200 else answer.json()))
        return seen

    with ThreadPoolExecutor(2) as clients:
        asking = [clients.submit(ask) for _ in range(2)]
        try:
            for generation in (2, 3):
                write(repository / "m", CODE.format(generation=generation))
                assert server.post("/v2/repository/models/m/load").status == 200
                assert server.get("/generation").json()[0] == generation
        finally:
            stop.set()
        seen = [answer for client in asking for answer in client.result()]

    assert {status for status, _ in seen} == {200}
    assert server.get("/only/3").json() == 3
    assert server.get("/only/1").status == 404


def test_a_worker_that_ends_in_a_handler_is_503_and_is_replaced(server):
    answer = server.get("/exit")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    wait_for(lambda: server.get("/generation").status == 200)


def test_unload_takes_the_paths_along(server):
    assert server.post("/v2/repository/models/m/unload").status == 200

    assert server.get("/generation").status == 404
    assert server.get("/v2/models/m/generation").status == 404
