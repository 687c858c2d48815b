"""Fixtures: a fitted model in a folder, the runtime on it, and a server that answers for it, bytes in and bytes out."""

import json
from contextlib import asynccontextmanager

import joblib
import numpy as np
import pytest
from mlcore import ModelSettings, Server
from mlcore.engine import Call
from runtime_sklearn.runtime import SklearnRuntime
from sklearn.tree import DecisionTreeClassifier

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)


@pytest.fixture(autouse=True)
def _in_one_process(monkeypatch):
    """Keep the models of servers in the tests' own process, unless a test says otherwise."""
    monkeypatch.setenv("MLCORE_PARALLEL_WORKERS", "0")


class Asker:
    """Asks a model of a server, in JSON or with binary tensors."""

    def __init__(self, server, model="m"):
        self.server = server
        self.model = model

    async def __call__(self, *inputs, **members):
        answer = await self.server.dispatcher.infer(
            Call(self.model, None, "application/json", json.dumps({"inputs": inputs, **members}).encode())
        )
        return json.loads(b"".join(answer.buffers))["outputs"]

    async def raw(self, head, binary):
        text = json.dumps(head).encode()
        return await self.server.dispatcher.infer(
            Call(self.model, None, "application/octet-stream", bytearray(text + binary), len(text))
        )

    @property
    def metadata(self):
        return self.server.control.model_metadata(self.model)


@pytest.fixture
def asker():
    """Return the class whose objects ask one model of a server."""
    return Asker


@pytest.fixture
def folder(tmp_path):
    """Return a function that makes the folder of a model: its file and, if anything is set, its settings."""

    def make(model, file="model.joblib", **settings):
        place = tmp_path / "m"
        place.mkdir(exist_ok=True)
        if model is not None:
            joblib.dump(model, place / file)
        if settings:
            settings = {"implementation": "sklearn", **settings}
            (place / "model-settings.json").write_text(json.dumps(settings))
        return place

    return make


@pytest.fixture
def serving(folder, tmp_path):
    """Return a context manager that serves a model under the name `m` and gives a function that asks it."""

    @asynccontextmanager
    async def serve(model, **settings):
        folder(model, **settings)
        async with Server(tmp_path, transports=[], strict=True) as server:
            yield Asker(server)

    return serve


@pytest.fixture
def loaded(folder):
    """Return a function that gives the runtime with a model loaded, without a server."""

    def load(model, **parameters):
        place = folder(model)
        runtime = SklearnRuntime(
            ModelSettings(name="m", implementation="sklearn", parameters=parameters).located(place)
        )
        assert runtime.load()
        return runtime

    return load


@pytest.fixture
def tree():
    """Return a classifier of two features and the classes 0, 1 and 2."""
    return DecisionTreeClassifier(random_state=0).fit(CORNERS, [0, 1, 1, 2])
