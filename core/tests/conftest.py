"""Fixtures: model folders, requests in JSON, and an interpreter of its own for what a test must not do to this one."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from mlcore.engine import Call

ECHO = """
from mlcore import MLModel
from mlcore.codecs import NumpyCodec
from mlcore.types import InferenceResponse


class MyModel(MLModel):
    def predict(self, payload):
        x = self.decode(payload.inputs[0], NumpyCodec)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", x)])
"""

# A model that answers with one text, that of an expression.
SAYING = """
from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.types import InferenceResponse
{imports}


class MyModel(MLModel):
    def load(self):
        {load}

    async def predict(self, payload):
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("said", [str({says})])])
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch, tmp_path):
    """Run each test in an empty folder, without the settings of whoever runs it; in one process, unless it says so."""
    for name in list(os.environ):
        if name.upper().startswith(("MLCORE_", "MLSERVER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLCORE_PARALLEL_WORKERS", "0")
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)


@pytest.fixture
def terminal():
    """Let SIGHUP and SIGINT mean what they do at a terminal, here and in processes of the test.

    Whoever runs the tests may have them ignored, as `nohup` and a shell's background do.
    """
    meant = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in meant.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def repository(tmp_path):
    """Return the folder for models."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def model(repository):
    """Return a function that writes a model's folder: its settings, and its modules by name."""

    def write(name, code=ECHO, /, implementation="my_model.MyModel", modules=None, **settings):
        folder = repository / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model-settings.json").write_text(json.dumps({"implementation": implementation, **settings}))
        for file, source in {"my_model": code, **(modules or {})}.items():
            path = folder / f"{file}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source))
        return folder

    return write


@pytest.fixture
def saying():
    """Return a function that gives the source of a model which answers with the text of an expression."""

    def source(says, load="pass", imports=""):
        return SAYING.format(says=says, load=load, imports=imports)

    return source


@pytest.fixture
def ask():
    """Return a function that asks a model of a server in JSON, and returns the outputs' data by name."""

    async def ask(server, name, *inputs, version=None, headers=(), **members):
        body = {"inputs": list(inputs) or [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}], **members}
        call = Call(name, version, "application/json", json.dumps(body).encode(), headers=list(headers))
        answer = await server.dispatcher.infer(call)
        return json.loads(b"".join(answer.buffers))

    return ask


@pytest.fixture
def said(ask):
    """Return a function that asks a model which says one text, and returns that."""

    async def said(server, name, version=None):
        return (await ask(server, name, version=version))["outputs"][0]["data"][0]

    return said


@pytest.fixture
def until():
    """Return a function that waits until a condition holds."""

    async def until(condition, timeout_s=60):
        async with asyncio.timeout(timeout_s):
            while not condition():  # there is no event for what tests wait for
                await asyncio.sleep(0.005)

    return until


@pytest.fixture
def run():
    """Return a function that runs a program, or `mlcore` with some arguments, and returns what it did."""

    def run(*arguments, program=None, **options):
        command = [sys.executable, "-W", "error", *(["-c", textwrap.dedent(program)] if program else ["-m", "mlcore"])]
        return subprocess.run(
            [*command, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, **options
        )

    return run
