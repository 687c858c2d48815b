"""The server under load: a process of its own, and what it keeps of the machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))  # where the other benchmarks have how servers are started
from servers import free_ports, mlcore_command, stop

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = '''
import asyncio
import os
import time

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


@dataclass
class Served:
    """A server that is up.

    Attributes:
        process: Its process.
        port: Where it answers HTTP.
        grpc_port: Where it answers gRPC.
    """

    process: subprocess.Popen[bytes]
    port: int
    grpc_port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def infer(self) -> str:
        """Where it takes requests for the model `identity`."""
        return f"{self.url}/v2/models/identity/infer"

    @property
    def processes(self) -> list[psutil.Process]:
        """The server's process and its workers."""
        front = psutil.Process(self.process.pid)
        return [front, *front.children(recursive=True)]

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes that hold models."""
        return [each for each in self.processes if "mlcore.engines.process.worker" in each.cmdline()]

    def memory(self) -> int:
        """Return the bytes that all its processes have in memory; what they share counts once."""
        return sum(int(each.memory_full_info().pss) for each in self.processes)

    def descriptors(self) -> int:
        """Return how many descriptors its processes have open."""
        return sum(each.num_fds() for each in self.processes)


def write_model(folder: Path, name: str = "identity", **settings: Any) -> None:
    """Write the folder of a model."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.py").write_text(MODEL)
    (place / "model-settings.json").write_text(
        json.dumps({"name": name, "implementation": "model.Identity", **settings})
    )


@contextlib.contextmanager
def folder_of_model(**settings: Any) -> Iterator[Path]:
    """Give a folder with the model `identity` for the length of the block."""
    with tempfile.TemporaryDirectory() as place:
        write_model(Path(place), **settings)
        yield Path(place)


def start(folder: Path, *options: str, port: int | None = None) -> Served:
    """Start a server and wait until it says that its models are loaded: on a shared port another one may answer."""
    free, grpc_port = free_ports(2)
    port = port or free
    command = [*mlcore_command(folder, port), "--grpc-port", str(grpc_port), "--metrics-port", "0", *options]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)
        while b"mlcore is up" not in os.pread(log.fileno(), 4096, 0):
            if process.poll() is not None:
                raise RuntimeError(os.pread(log.fileno(), 4096, 0).decode())
            time.sleep(0.01)
    return Served(process, port, grpc_port)


@contextlib.contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    """Run a server until the block ends."""
    running = start(folder, *options)
    try:
        yield running
    finally:
        stop(running.process)


def end(running: Served, timeout_s: float = 60) -> int:
    """Ask a server to stop, and return its exit code."""
    running.process.send_signal(signal.SIGTERM)
    return running.process.wait(timeout_s)
