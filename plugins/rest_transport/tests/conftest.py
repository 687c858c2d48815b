"""A server in a thread of this process, the models that the tests ask, and a browser."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from mlcore import MLModel, ModelSettings, Server
from mlcore.codecs import NumpyCodec, StringCodec
from mlcore.errors import InferenceError, MLCoreError, OverloadedError
from mlcore.settings import TensorSettings
from mlcore.testing.process import HttpAnswer
from mlcore.types import InferenceRequest, InferenceResponse, Parameters, ResponseOutput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


class Echo(MLModel):
    """Answers with the inputs, under their names."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        outputs = [
            ResponseOutput(name=tensor.name, shape=tensor.shape, datatype=tensor.datatype, data=tensor.data)
            for tensor in payload.inputs
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)


class Memory(MLModel):
    """Says of each array whether it may be written to, and is aligned; and writes to it."""

    def predict(self, payload: InferenceRequest) -> InferenceResponse:
        seen = []
        for tensor in payload.inputs:
            array = self.decode(tensor, NumpyCodec)
            seen.append(f"{tensor.name} writable={array.flags.writeable} aligned={array.flags.aligned}")
            array += 1
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("seen", seen)])


class Headers(MLModel):
    """Answers with the headers that the input says, as JSON, and with those that the request had."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (text,) = self.decode(payload.inputs[0], StringCodec)
        seen = json.dumps(payload.parameters.headers)
        return InferenceResponse(
            model_name=self.name,
            parameters=Parameters(headers=json.loads(text)),
            outputs=[StringCodec.encode_output("seen", [seen])],
        )


class Failing(MLModel):
    """Raises what the input says."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (kind,) = self.decode(payload.inputs[0], StringCodec)
        errors: dict[str, Exception] = {
            "unforeseen": RuntimeError("/secret/path is broken"),
            "wrong": InferenceError("the input is wrong"),
            "teapot": MLCoreError("short and stout", status_code=418),
            "no status": MLCoreError("an odd status", status_code=99),
            "half a character": InferenceError("\ud800"),
            "overloaded": OverloadedError("come again", retry_after_s=2.5),
        }
        raise errors[kind]


class Waiting(MLModel):
    """Answers only once it is released."""

    def load(self) -> None:
        self.settings.parameters.extra["models"].append(self)
        self.started = threading.Event()
        self.released = threading.Event()

    def predict(self, payload: InferenceRequest) -> InferenceResponse:
        self.started.set()
        self.released.wait(60)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("done", np.array([True]))])


def settings_of(kind: type[MLModel], **more: Any) -> ModelSettings:
    """Return the settings of one of these models, named like its class."""
    return ModelSettings(**{"name": kind.__name__.lower(), "implementation": kind, **more})


MODELS = [settings_of(kind) for kind in (Echo, Memory, Headers, Failing)]

DECLARED = settings_of(
    Echo,
    name="declared",
    inputs=[
        TensorSettings(name="words", datatype="BYTES", shape=[-1, 1], parameters={"content_type": "str"}),
        TensorSettings(name="numbers", datatype="FP32", shape=[-1, 3]),
    ],
    outputs=[
        TensorSettings(name="words", datatype="BYTES", shape=[-1, 1]),
        TensorSettings(name="numbers", datatype="FP32", shape=[-1, 3]),
    ],
)


class Serving:
    """A server on a loop of its own, in a thread."""

    def __init__(self, models: list[ModelSettings], folder: Path | None = None, **options: Any) -> None:
        options = {"parallel_workers": 0, **options}
        self.server = Server(
            folder, models=models, transports=["rest"], http_port=0, **{"parallel_workers": 0, **options}
        )
        self._runner = asyncio.Runner()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with self._runner:
            self._runner.get_loop().run_forever()

    def __enter__(self) -> Self:
        loop = self._runner.get_loop()
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.server.start(), loop).result(60)
        except BaseException:
            self.__exit__()
            raise
        self.url = self.server.url("rest")
        self.host, _, port = self.url.removeprefix("http://").rpartition(":")
        self.port = int(port)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self._runner.get_loop().call_soon_threadsafe(self._runner.get_loop().stop)
            self._thread.join()

    def stop(self) -> None:
        """Stop the server, as `mlcore serve` does on SIGTERM."""
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._runner.get_loop()).result(60)

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> HttpAnswer:
        """Send a request; a body that is not bytes is sent as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return HttpAnswer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, headers: dict[str, str] | None = None) -> HttpAnswer:
        """Send a GET request."""
        return self.request("GET", path, None, headers)

    def post(self, path: str, body: Any = b"", headers: dict[str, str] | None = None) -> HttpAnswer:
        """Send a POST request."""
        return self.request("POST", path, body, headers)

    def ask(self, model: str, text: str, headers: dict[str, str] | None = None) -> HttpAnswer:
        """Send an infer request of one text."""
        return self.post(f"/v2/models/{model}/infer", text_request(text), headers)

    def connect(self) -> socket.socket:
        """Open a connection; it is the caller's to close."""
        return socket.create_connection((self.host, self.port), timeout=60)

    def exchange(self, *pieces: bytes) -> bytes:
        """Send pieces of bytes, a moment apart, and return all that comes until the server closes."""
        with self.connect() as client:
            for index, piece in enumerate(pieces):
                if index:
                    time.sleep(0.05)
                client.sendall(piece)
            return read_all(client)


def text_request(text: str) -> dict[str, Any]:
    """Return an infer request of one text."""
    return {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": [text]}]}


def read_all(client: socket.socket) -> bytes:
    """Return all that comes until the server closes."""
    received = b""
    while piece := client.recv(65536):
        received += piece
    return received


@pytest.fixture(scope="session")
def rest() -> Iterator[Serving]:
    """Return a server with every model but the waiting one, and no other setting, for all tests that change nothing."""
    with Serving([*MODELS, DECLARED]) as serving:
        yield serving


@pytest.fixture(scope="session")
def limited() -> Iterator[Serving]:
    """Return a server that takes bodies of at most 2000 bytes."""
    with Serving(MODELS, max_body_bytes=2000) as serving:
        yield serving


@pytest.fixture(scope="session")
def serving_of() -> Callable[..., Serving]:
    """Return a function that makes a server of these models; it is the caller's to enter."""
    return lambda *models, **options: Serving(list(models), **options)


@pytest.fixture
def serve() -> Iterator[Callable[..., Serving]]:
    """Return a function that starts a server with other settings; it is stopped after the test."""
    started = []

    def start(*models: ModelSettings, **options: Any) -> Serving:
        serving = Serving(list(models) or ([] if "folder" in options else MODELS), **options)
        serving.__enter__()
        started.append(serving)
        return serving

    yield start
    for serving in started:
        serving.__exit__()


@pytest.fixture
async def prefixed(rest: Serving) -> AsyncIterator[str]:
    """Return the address of a proxy that takes the prefix `/some/where` away, and knows nothing else."""

    async def forward(request: web.Request) -> web.Response:
        path = request.path_qs.removeprefix("/some/where")
        async with (
            aiohttp.ClientSession(auto_decompress=False) as client,
            client.request(request.method, rest.url + path, data=await request.read(), headers=request.headers) as got,
        ):
            headers = {name: value for name, value in got.headers.items() if name.lower() != "content-length"}
            return web.Response(body=await got.read(), status=got.status, headers=headers)

    proxy = web.Application()
    proxy.router.add_route("*", "/some/where/{path:.*}", forward)
    runner = web.AppRunner(proxy)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


class Page:
    """A page of a browser, over the browser's debugging protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._sent = 0
        self.requests: list[str] = []
        self.errors: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call the browser; what it tells on the way is noted."""
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=60)
            if message.get("id") == self._sent:
                return message["result"]
            told = message.get("params", {})
            if message.get("method") == "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            elif message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.errors.append(json.dumps(told))

    async def open(self, url: str) -> None:
        """Go to an address."""
        for domain in ("Network", "Runtime", "Log", "Page"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)

    async def value(self, script: str) -> Any:
        """Return what a script says."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    async def wait_for(self, script: str) -> Any:
        """Return what a script says, once it says anything."""
        for _ in range(1200):
            if value := await self.value(script):
                return value
            await asyncio.sleep(0.05)
        raise AssertionError(f"{script} stays empty; errors: {self.errors}")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a browser that knows no other host than this one."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "the tests of the documentation page need chromium; install it with your system's packages"
    profile: Path = tmp_path_factory.mktemp("chromium")
    browser = subprocess.Popen(
        [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--remote-debugging-port=0",
            "--window-size=1200,1400",
            f"--user-data-dir={profile}",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    place = profile / "DevToolsActivePort"
    try:
        for _ in range(1200):
            if place.exists() and (lines := place.read_text().splitlines()):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{lines[0]}"
    finally:
        browser.terminate()
        browser.wait()


@pytest.fixture
async def page(chromium: str) -> AsyncIterator[Page]:
    """Return an empty page of the browser."""
    async with aiohttp.ClientSession() as client:
        async with client.put(f"{chromium}/json/new?about:blank") as answer:
            target = await answer.json()
        async with client.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as debugger:
            yield Page(debugger)
        with contextlib.suppress(aiohttp.ClientError):
            await (await client.get(f"{chromium}/json/close/{target['id']}")).read()
