"""A server that a script starts in Python."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.types import InferenceResponse

SETTINGS = {"parallel_workers": 0, "http_port": 0, "grpc_port": 0, "metrics_port": 0}


class Echo(MLModel):
    async def predict(self, payload):
        return InferenceResponse(model_name=self.name, outputs=[])


async def test_a_server_serves_until_it_is_stopped():
    server = MLServer(Settings(**SETTINGS))
    serving = asyncio.create_task(server.start([ModelSettings(name="echo", implementation=Echo)]))
    while server._server is None or not server._server.control.is_accepting:
        assert not serving.done(), serving
        await asyncio.sleep(0.01)

    assert [item.state for item in server._server.control.index()] == ["READY"]
    await server.stop()
    await asyncio.wait_for(serving, 30)

    assert not server._server.control.is_accepting


async def test_a_stop_during_the_start_gives_it_up():
    class Slow(Echo):
        async def load(self):
            await asyncio.sleep(3600)

    server = MLServer(Settings(**SETTINGS))
    serving = asyncio.create_task(server.start([ModelSettings(name="slow", implementation=Slow)]))
    while server._server is None or not server._server.control.index():
        assert not serving.done(), serving
        await asyncio.sleep(0.01)

    await asyncio.wait_for(server.stop(), 60)
    await asyncio.wait_for(serving, 60)

    assert not server._server.control.is_accepting


async def test_a_stop_before_the_start_does_nothing():
    await MLServer(Settings(**SETTINGS)).stop(signal.SIGTERM)


async def test_a_start_that_fails_says_why():
    server = MLServer(Settings(**SETTINGS, strict=True))

    try:
        await server.start([ModelSettings(name="m", implementation="nowhere.Model")])
    except Exception as error:
        assert "there is no module 'nowhere'" in str(error)  # noqa: PT017  # whichever error it is
    else:
        raise AssertionError("it started")


def test_the_program_of_that_name_is_ours(tmp_path):
    program = Path(sys.executable).parent / "mlserver"

    done = subprocess.run([program, "start", str(tmp_path / "nowhere")], capture_output=True, text=True)

    assert done.returncode == 2
    assert done.stderr.startswith("mlcore: error: ")
