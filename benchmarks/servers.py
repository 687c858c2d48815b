"""The servers that the benchmarks start: each in a process of its own, pinned to one core, on a free port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER_CORE, LOAD_CORE = "0", "1"
HERE = Path(__file__).parent

IDENTITY = """
from {package} import MLModel
from {package}.types import InferenceRequest, InferenceResponse, ResponseOutput


class Identity(MLModel):
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = payload.inputs[0]
        output = ResponseOutput(name="output-0", shape=x.shape, datatype=x.datatype, data=x.data)
        return InferenceResponse(model_name=self.name, outputs=[output])
"""


def identity_folder(parent: Path, package: str) -> Path:
    """Write an identity model for mlcore or for MLServer, and return its folder."""
    folder = parent / f"identity-{package}"
    folder.mkdir()
    (folder / f"identity_{package}.py").write_text(IDENTITY.format(package=package))
    settings = {"name": "identity", "implementation": f"identity_{package}.Identity"}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    return folder


def free_ports(count: int) -> list[int]:
    """Return ports that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def mlcore_command(folder: Path, port: int) -> list[str]:
    """Return the command that serves a folder with mlcore."""
    return [sys.executable, "-m", "mlcore", "serve", str(folder), "--http-port", str(port), "--log-level", "ERROR"]


def mlserver_command(python: str, folder: Path, port: int, grpc_port: int | None = None) -> list[str]:
    """Return the command that serves a folder with MLServer, in its default form but for the ports."""
    free_port, metrics_port = free_ports(2)
    (folder / "settings.json").write_text(
        json.dumps(
            {"host": "127.0.0.1", "http_port": port, "grpc_port": grpc_port or free_port, "metrics_port": metrics_port}
            | {"debug": False}
        )
    )
    return [str(Path(python).parent / "mlserver"), "start", str(folder)]


@contextmanager
def running(
    command: list[str], url: str, body: bytes | None = None, pin: bool = True
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; enter it when the URL answers 200 (to a POST, where a body is given)."""
    prefix = ["taskset", "-c", SERVER_CORE] if pin else []
    process = subprocess.Popen(
        prefix + command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for(url, process, body)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a server that leads a session of its own, with all its processes; one that does not go is killed."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], body: bytes | None = None) -> None:
    """Wait until the URL answers 200."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with exit code {process.returncode}")
        try:
            headers = {"Content-Type": "application/json"}
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.01)
    raise RuntimeError(f"{url} did not answer in time")
