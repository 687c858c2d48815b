"""A model that does what a request says, and how to ask it; for tests with workers."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

import psutil
from mlcore import Server
from mlcore.engine import Call
from mlcore.testing import call_of, response_of
from mlcore.types import InferenceRequest, RequestInput

MODEL = '''
import asyncio
import os
import time
from pathlib import Path

import numpy as np
from mlcore import MLModel
from mlcore.codecs import NumpyCodec, StringCodec
from mlcore.errors import InferenceError, MLCoreError
from mlcore.types import InferenceResponse, ResponseOutput


class Many(MLModel):
    """Does what the input's name says."""

    def load(self):
        extra = self.settings.parameters.extra
        if extra.get("load") == "die" or ("die_if" in extra and Path(extra["die_if"]).exists()):
            os._exit(4)
        return extra.get("load", True)

    async def predict(self, payload):
        tensor = payload.inputs[0]
        return await getattr(self, tensor.name)(tensor, payload)

    async def predict_stream(self, payloads):
        payload = [payload async for payload in payloads][0]
        (text,) = StringCodec.decode_input(payload.inputs[0])
        if text.startswith("count "):
            place = Path(text.removeprefix("count "))
            for number in range(10_000):
                with place.open("a") as made:
                    made.write("x")
                yield self.said(number)
        for word in text.split():
            if word == "boom":
                raise InferenceError("no boom")
            if word == "die":
                os._exit(3)
            yield self.said(word)

    def said(self, word):
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("said", [str(word)])])

    async def same(self, tensor, payload):
        output = ResponseOutput(name="same", shape=tensor.shape, datatype=tensor.datatype, data=tensor.data)
        return InferenceResponse(model_name=self.name, outputs=[output])

    async def keep(self, tensor, payload):
        self.kept = getattr(self, "kept", []) + [tensor.data]
        return self.said(len(self.kept))

    async def pid(self, tensor, payload):
        return self.said(os.getpid())

    async def layout(self, tensor, payload):
        flags = tensor.data.values.flags
        return self.said(f"{flags.aligned} {flags.writeable} {flags.owndata}")

    async def headers(self, tensor, payload):
        response = self.said(payload.parameters["headers"]["x-in"])
        response.parameters = {"headers": {"x-out": "yes"}}
        return response

    async def teapot(self, tensor, payload):
        raise MLCoreError("short and stout", status_code=418)

    async def bug(self, tensor, payload):
        raise KeyError("a bug")

    async def die(self, tensor, payload):
        os._exit(3)

    async def busy(self, tensor, payload):
        end = time.monotonic() + float(StringCodec.decode_input(tensor)[0])
        while time.monotonic() < end:
            pass
        return self.said("done")

    async def note(self, tensor, payload):
        place, text = StringCodec.decode_input(tensor)
        with open(place, "a") as notes:
            notes.write(text)
        return self.said(text)

    async def slow(self, tensor, payload):
        place = Path(StringCodec.decode_input(tensor)[0])
        (place / "began").touch()
        try:
            while not (place / "go").exists():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            (place / "cancelled").touch()
            raise
        return self.said("done")


class Plain(Many):
    """The same in a thread: a plain predict."""

    def predict(self, payload):
        return asyncio.run(super().predict(payload))
'''


def asking(name: str, *texts: str, model: str = "many") -> Call:
    """Return a call: the input's name says what the model does."""
    tensor = RequestInput(name=name, shape=[len(texts)], datatype="BYTES", data=list(texts))
    return call_of(InferenceRequest(id=f"id-{name}", inputs=[tensor]), model)


async def said(server: Server, name: str, *texts: str, model: str = "many") -> str:
    """Ask a model, and return what it says."""
    text: str = response_of(await server.dispatcher.infer(asking(name, *texts, model=model))).outputs[0].data.root[0]
    return text


async def eventually(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


def workers_of(pid: int | None = None) -> list[psutil.Process]:
    """Return the workers of a server, by default of those in this process."""
    found = []
    for child in psutil.Process(pid or os.getpid()).children():
        with suppress(psutil.NoSuchProcess):  # it has ended since, or nobody has asked for its exit code yet
            if "mlcore.engines.process.worker" in child.cmdline():
                found.append(child)
    return found
