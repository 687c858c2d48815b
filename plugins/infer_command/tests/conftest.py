"""What the tests of `mlcore infer` share: the command in this process, and a server whose models can do wrong."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pytest_asyncio
from command_infer.command import INFER
from command_infer.options import options_of
from command_infer.run import answer_file
from mlcore import MLModel
from mlcore.errors import InferenceError, NotFoundError, UnavailableError
from mlcore.server import Server
from mlcore.settings import ModelSettings
from mlcore.types import InferenceRequest, InferenceResponse, Parameters, ResponseOutput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


class Twice(MLModel):
    """Doubles numbers, row by row; some of them it cannot stand."""

    asked: list[InferenceRequest]
    busy: int

    def load(self) -> bool:
        self.asked = []
        self.busy = 2
        return True

    def predict(self, payload: InferenceRequest) -> InferenceResponse:
        self.asked.append(payload)
        x = np.asarray(payload.inputs[0].data.values)
        if (x == 400).any():
            raise InferenceError("x: 400 is too much")
        if (x == 404).any():
            raise NotFoundError("there is no row 404")
        if (x == 503).any() and self.busy:
            self.busy -= 1
            raise UnavailableError("come again", retry_after_s=0)
        if (x == 500).any():
            raise RuntimeError("not foreseen")
        y = ResponseOutput(name="y", shape=list(x.shape), datatype="FP64", data=x * 2)
        return InferenceResponse(model_name=self.name, parameters=Parameters(rows=len(x)), outputs=[y])


class Text(MLModel):
    """Gives texts back, or bytes that are none."""

    def predict(self, payload: InferenceRequest) -> InferenceResponse:
        text = payload.inputs[0]
        values = [b"\xff" if value in ("bytes", b"bytes") else value for value in text.data.values]
        output = ResponseOutput(name="text", shape=text.shape, datatype="BYTES", data=values)
        return InferenceResponse(model_name=self.name, outputs=[output])


@dataclass
class Served:
    """A server in this process."""

    server: Server

    @property
    def rest(self) -> str:
        return self.server.url("rest")

    @property
    def grpc(self) -> str:
        return self.server.url("grpc")


@pytest_asyncio.fixture
async def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Served]:
    """Serve the models, in this process."""
    monkeypatch.chdir(tmp_path)
    models = [ModelSettings(name="twice", implementation=Twice), ModelSettings(name="text", implementation=Text)]
    async with Server(
        models=models, transports=["rest", "grpc"], parallel_workers=0, http_port=0, grpc_port=0
    ) as server:
        yield Served(server)


@dataclass
class Done:
    """What a run left."""

    code: int
    lines: list[dict[str, Any]]
    said: str


@pytest.fixture
def infer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Return a function that runs the command on lines, by the loop of the test."""

    async def infer(lines: list[Any], *arguments: str, model: str = "twice", output: str = "out.jsonl") -> Done:
        source, target = tmp_path / "in.jsonl", tmp_path / output
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        source.write_text("".join(f"{text}\n" for text in texts))
        parser = argparse.ArgumentParser()
        INFER.configure(parser)
        given = parser.parse_args(["-m", model, "-i", str(source), "-o", str(target), *arguments])
        code = await answer_file(options_of(given))
        written = target.read_bytes() if target.exists() else b""  # it may have gone elsewhere
        return Done(code, [json.loads(line) for line in written.splitlines()], capfd.readouterr().err)

    return infer


@pytest.fixture
def numbers() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a request of one row of numbers."""

    def numbers(*values: float, **members: Any) -> dict[str, Any]:
        tensor = {"name": "x", "shape": [1, len(values)], "datatype": "FP64", "data": list(values)}
        return {"inputs": [tensor], **members}

    return numbers
