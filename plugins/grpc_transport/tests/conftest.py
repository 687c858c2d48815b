"""A server in a thread of this process, and the models that the tests ask."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import ClassVar

import grpc
import pytest
from mlcore import MLModel, ModelSettings, Server
from mlcore.codecs import StringCodec
from mlcore.errors import InferenceError, MLCoreError, OverloadedError
from mlcore.types import InferenceResponse, Parameters, ResponseOutput

from .wire import Wire, assert_well


class Echo(MLModel):
    """Answers with the inputs under their names."""

    def predict(self, payload):
        outputs = [
            ResponseOutput(name=tensor.name, shape=tensor.shape, datatype=tensor.datatype, data=tensor.data)
            for tensor in payload.inputs
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)


class Doing(MLModel):
    """Does what the text says."""

    cancelled: ClassVar[list[str]]
    asked: ClassVar[list[str]]

    async def predict(self, payload):
        (text,) = self.decode(payload.inputs[0], StringCodec)
        word, _, rest = text.partition(" ")
        self.asked.append(text)
        parameters = None
        if word == "fail":
            raise {
                "unforeseen": RuntimeError("/secret/path is broken"),
                "wrong": InferenceError("the input is wrong"),
                "teapot": MLCoreError("short and stout", status_code=418),
                "unprocessable": MLCoreError("no", status_code=422),
                "gateway": MLCoreError("no", status_code=502),
                "text": InferenceError("na\u00efve\n100 % \U0001f600"),
                "half a character": InferenceError("\ud800"),
                "long": InferenceError("\u00e9" * 5000),
                "overloaded": OverloadedError("come again", retry_after_s=2.5),
            }[rest]
        if word == "wait":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled.append(rest)
                raise
        if word == "pause":
            await asyncio.sleep(float(rest))
        if word == "headers":
            parameters = Parameters(headers={"X-Out": "yes", "content-type": "no", "grpc-status": "9", "bad": "\n"})
            rest = str(sorted(payload.parameters.headers.items()))
        if word == "large":
            rest = "x" * int(rest)
        output = StringCodec.encode_output("said", [rest])
        return InferenceResponse(model_name=self.name, parameters=parameters, outputs=[output])

    async def predict_stream(self, payloads):
        async for payload in payloads:
            (text,) = self.decode(payload.inputs[0], StringCodec)
            if text.startswith("many "):
                for number in range(int(text.split()[1])):
                    self.asked.append(str(number))
                    yield InferenceResponse(
                        model_name=self.name, outputs=[StringCodec.encode_output("said", ["y" * 20_000])]
                    )
                return
            yield await self.predict(payload)


class Running:
    """A server on an event loop of its own, in a thread."""

    def __init__(self, **options):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.cancelled, self.asked = [], []
        self.server = self.run(self._made(options))
        self.address = self.server.url("grpc").partition("://")[2]

    async def _made(self, options):
        doing = type("Doing", (Doing,), {"cancelled": self.cancelled, "asked": self.asked})
        models = [ModelSettings(name="echo", implementation=Echo), ModelSettings(name="doing", implementation=doing)]
        server = Server(
            models=models,
            **{"transports": ["grpc"], "grpc_port": 0, "parallel_workers": 0, "grace_period": 5, **options},
        )
        await server.start()
        return server

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def begin(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call(self, function, *arguments):
        self._loop.call_soon_threadsafe(function, *arguments)

    def stop(self):
        self.run(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self):
        (transport,) = self.server.transports
        return transport._connections._all


@pytest.fixture(scope="module")
def server():
    running = Running()
    yield running
    running.stop()


@pytest.fixture
def serve():
    """Return a function that starts a server with other settings."""
    running = []

    def start(**options):
        running.append(Running(**options))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server.address) as channel:
        yield channel


@pytest.fixture(autouse=True)
def _no_errors(caplog):
    """Fail where the server logs an error that the test does not expect."""
    yield
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not [record.getMessage() for record in errors if not getattr(record, "error_id", None)]


@pytest.fixture
def wire(server):
    made = Wire(server.address)
    yield made
    made.close()
    assert_well(server.address)


@pytest.fixture
def connect():
    """Return a function that makes a wire to a server."""
    made = []

    def connect(running, **options):
        made.append(Wire(running.address, **options))
        return made[-1]

    yield connect
    for one in made:
        one.close()
