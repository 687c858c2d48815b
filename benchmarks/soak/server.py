"""The server under load: a process of its own, and what it keeps of the machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from mlcore.testing import start_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlcore.testing.process import RunningServer

MODEL = '''
import asyncio

from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.types import InferenceResponse, ResponseOutput


class Identity(MLModel):
    """Answers with its input; the extra setting `seconds` is how long that takes."""

    async def predict(self, payload):
        if seconds := self.settings.parameters.extra.get("seconds"):
            await asyncio.sleep(seconds)
        x = payload.inputs[0]
        output = ResponseOutput(name="y", shape=x.shape, datatype=x.datatype, data=x.data)
        return InferenceResponse(model_name=self.name, outputs=[output])

    async def predict_stream(self, payloads):
        async for payload in payloads:
            (count,) = self.decode(payload.inputs[0]).tolist()
            for number in range(int(count)):
                output = StringCodec.encode_output("token", [str(number)])
                yield InferenceResponse(model_name=self.name, outputs=[output])
'''


_MANY_CONNECTIONS = {
    "max_connections_per_peer": 10_000,
    "grpc_max_connections": 10_000,
    "grpc_max_connections_per_peer": 10_000,
}


class Served:
    """A server that is up.

    Args:
        running: Its process and addresses.
    """

    def __init__(self, running: RunningServer) -> None:
        self.running = running
        self.url = running.url
        self.grpc = running.urls["grpc"].removeprefix("grpc://")
        self.port, self.grpc_port = (int(url.rpartition(":")[2]) for url in (self.url, self.grpc))
        self.infer = f"{self.url}/v2/models/identity/infer"

    @property
    def processes(self) -> list[psutil.Process]:
        """The server's process and its workers."""
        front = psutil.Process(self.running.process.pid)
        return [front, *front.children(recursive=True)]

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes that hold models."""
        found = []
        for each in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                if "mlcore.engines.process.worker" in each.cmdline():
                    found.append(each)
        return found

    def memory(self) -> int:
        """Return the bytes that all its processes have in memory; what they share counts once."""
        return sum(int(each.memory_full_info().pss) for each in self.processes)

    def descriptors(self) -> int:
        """Return how many descriptors its processes have open."""
        return sum(each.num_fds() for each in self.processes)

    async def quiet(self) -> None:
        """Wait until connections of earlier clients are closed."""
        before = -1
        while before != (before := self.descriptors()):
            await asyncio.sleep(0.2)

    async def left_open(self, before: int) -> int:
        """Return how many descriptors are open that were not before, once those of former clients are closed."""
        with contextlib.suppress(TimeoutError):
            await until(lambda: self.descriptors() <= before)
        return max(0, self.descriptors() - before)

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        self.running.process.send_signal(signal.SIGTERM)

    def end(self) -> int:
        """Ask the server to stop, and return its exit code."""
        return self.running.stop()


async def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It does not.
    """
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


def write_model(folder: Path, name: str = "identity", **settings: Any) -> None:
    """Write the folder of a model."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.py").write_text(MODEL)
    (place / "model-settings.json").write_text(
        json.dumps({"name": name, "implementation": "model.Identity", **settings})
    )


@contextlib.contextmanager
def folder_of_model(server: dict[str, Any] | None = None, **settings: Any) -> Iterator[Path]:
    """Give a folder with the model `identity` for the length of the block.

    Args:
        server: The server's settings.
        settings: Those of the model.
    """
    with tempfile.TemporaryDirectory() as place:
        write_model(Path(place), **settings)
        Path(place, "settings.json").write_text(json.dumps(server or {}))
        yield Path(place)


@contextlib.contextmanager
def standard_server() -> Iterator[Served]:
    """Run the server that most scenarios ask: with `identity`, and with `slow`, which works on one request at a time.

    It is warm: what is made once, at first use, is no growth.
    """
    extra = {"extra": {"seconds": 0.01}}
    with folder_of_model(_MANY_CONNECTIONS) as folder:
        write_model(folder, "slow", max_concurrency=1, max_queue_size=20, parameters=extra)
        with served(folder) as server:
            for _ in range(100):
                answer = server.running.infer("identity", {"name": "x", "datatype": "FP32", "shape": [1], "data": [1]})
                assert answer.status == 200, answer.body
            yield server


def start(folder: Path, *options: str) -> Served:
    """Start a server and wait until it says that its models are loaded: on a shared port another one may answer."""
    return Served(start_server(folder, "--log-level", "ERROR", *options))


@contextlib.contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    """Run a server until the block ends."""
    server = start(folder, *options)
    try:
        yield server
    finally:
        server.end()
