"""Models for the tests."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.errors import InferenceError, MLCoreError, OverloadedError, UnavailableError
from mlcore.types import InferenceResponse, Parameters, ResponseOutput


class Echo(MLModel):
    """Answers with the inputs under their names."""

    async def predict(self, payload):
        outputs = [
            ResponseOutput(name=tensor.name, shape=tensor.shape, datatype=tensor.datatype, data=tensor.data)
            for tensor in payload.inputs
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)


class Doing(MLModel):
    """Does what the text says."""

    asked: ClassVar[list[str]] = []
    cancelled: ClassVar[list[str]] = []
    go_on: ClassVar[asyncio.Event]
    at_work = 0
    most_at_work = 0

    async def predict(self, payload):
        (text,) = self.decode(payload.inputs[0], StringCodec)
        word, _, rest = text.partition(" ")
        times = self.asked.count(text)
        self.asked.append(text)
        parameters = None
        if word == "fail":
            raise {
                "unforeseen": RuntimeError("/secret/path is broken"),
                "wrong": InferenceError("the input is wrong"),
                "teapot": MLCoreError("short and stout", status_code=418),
                "text": InferenceError("naïve \ud800"),
                "always": UnavailableError("not now"),
                "busy": MLCoreError("not now", status_code=429),
            }[rest]
        if word == "twice" and times < 2:
            raise {"overloaded": OverloadedError("busy"), "unavailable": UnavailableError("not now")}[rest.split()[0]]
        if word == "wait":
            await self._wait(rest)
        if word == "headers":
            parameters = Parameters(headers={"X-Out": "yes", "Content-Type": "no", "mlcore-model": "no"})
            rest = payload.parameters.headers["x-in"]
        if word == "large":
            rest = "x" * int(rest)
        output = StringCodec.encode_output("said", [rest])
        return InferenceResponse(model_name=self.name, parameters=parameters, outputs=[output])

    async def _wait(self, text):
        kind = type(self)
        kind.at_work += 1
        kind.most_at_work = max(kind.most_at_work, kind.at_work)
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.append(text)
            raise
        finally:
            kind.at_work -= 1


def doing():
    """Return a class of its own, which notes what it is asked."""
    return type("Doing", (Doing,), {"asked": [], "cancelled": [], "go_on": asyncio.Event()})
