"""A collector that is down, refuses or never answers: the server answers all the same, and ends in time."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from mlcore.testing import start_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = """
from mlcore import MLModel
from mlcore.types import InferenceResponse


class Quick(MLModel):
    async def predict(self, payload):
        return InferenceResponse(model_name=self.name, outputs=[])
"""
REQUEST = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}]}
# More than the queues hold.
REQUESTS = 150
QUEUE = {"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "50", "OTEL_BSP_SCHEDULE_DELAY": "50"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick/quick.py").write_text(MODEL)
    settings = {"name": "quick", "implementation": "quick.Quick"}
    (tmp_path / "quick/model-settings.json").write_text(json.dumps(settings))
    return tmp_path


@pytest.fixture
def closed() -> str:
    """Return an address that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the address of one who takes connections, and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def refusing() -> Iterator[str]:
    """Return the address of one who refuses everything, and asks to try again."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(503)
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("kind", "protocol", "workers"),
    [
        ("closed", "http/protobuf", "0"),
        ("silent", "http/protobuf", "1"),
        ("silent", "grpc", "0"),
        ("refusing", "http/protobuf", "0"),
    ],
)
def test_f32_the_server_neither_waits_nor_fills_its_log(
    request: pytest.FixtureRequest, folder: Path, kind: str, protocol: str, workers: str
) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": request.getfixturevalue(kind),
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        **QUEUE,
    }
    server = start_server(folder, "--parallel-workers", workers, "--json-logs", env=variables)
    for _ in range(REQUESTS):
        assert server.post("/v2/models/quick/infer", REQUEST).status == 200

    assert server.stop() == 0, "it may not wait for what is tried again and again"
    trouble = [line for line in server.log if "telemetry is not delivered" in line]
    assert len(trouble) <= 2, "the test may run for more than a minute"
    assert all(json.loads(line)["level"] == "warning" for line in trouble)
    assert not [line for line in server.log if "Traceback" in line or "opentelemetry" in line.lower()]
