"""What it costs to be seen: requests a second of a tiny model over REST, with metrics, traces and logs, beside none.

Metrics are always on; "nothing" is OpenTelemetry switched off altogether. The servers have a worker, send to a
collector that takes everything at once, and take turns, round after round. The table shows the medians, and what is
left of the rate. A trace of such a request has four spans.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from servers import free_ports, mlcore_command, running

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = """
from mlcore import MLModel
from mlcore.types import InferenceResponse, ResponseOutput


class Tiny(MLModel):
    async def predict(self, payload):
        x = payload.inputs[0]
        output = ResponseOutput(name="y", shape=x.shape, datatype=x.datatype, data=x.data)
        return InferenceResponse(model_name=self.name, outputs=[output])
"""
REQUEST = {"id": "1", "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1.0, 2.0, 3.0, 4.0]}]}


def traces(fraction: str) -> dict[str, str]:
    """Return the variables that trace a fraction of the requests."""
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": fraction,
    }


MODES: dict[str, dict[str, str]] = {
    "nothing": {"OTEL_SDK_DISABLED": "true"},
    "metrics": {},
    "traces of 0 %": traces("0"),
    "traces of 1 %": traces("0.01"),
    "traces of 100 %": traces("1"),
    "lines of 1 %": {"MLCORE_ACCESS_LOG": "0.01"},
    "lines of 100 %": {"MLCORE_ACCESS_LOG": "1"},
}


@contextlib.contextmanager
def collector() -> Iterator[str]:
    """Run an HTTP server that takes everything, and give its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(loop.stop)


def rate(url: str, connections: int, seconds: float, script: Path) -> float:
    """Return the requests a second that are answered, all of them with 200."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url],
        capture_output=True,
        text=True,
        check=True,
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(done.stdout)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", nargs="*", metavar="MODE", default=list(MODES), help="what to measure")
    given = parser.parse_args()
    modes = {mode: variables for mode, variables in MODES.items() if mode in ("nothing", *given.only)}
    figures: dict[str, list[float]] = {mode: [] for mode in modes}
    with tempfile.TemporaryDirectory() as made, collector() as address:
        folder = Path(made)
        (folder / "tiny.py").write_text(MODEL)
        (folder / "model-settings.json").write_text(json.dumps({"name": "m", "implementation": "tiny.Tiny"}))
        script = folder / "post.lua"
        script.write_text(
            f"wrk.method = 'POST'\nwrk.body = [[{json.dumps(REQUEST)}]]\n"
            "wrk.headers['Content-Type'] = 'application/json'\n"
        )
        (port,) = free_ports(1)
        options = ["--parallel-workers", "1", "--grpc-port", "0", "--metrics-port", "0", "--log-level", "INFO"]
        server = [*mlcore_command(folder, port), *options]
        for _ in range(given.rounds):
            for mode, variables in modes.items():
                told = {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{address}/v1/traces"}
                command = ["env", *(f"{name}={value}" for name, value in {**told, **variables}.items()), *server]
                with running(command, f"http://127.0.0.1:{port}/v2/models/m/ready", pin=False):
                    url = f"http://127.0.0.1:{port}/v2/models/m/infer"
                    rate(url, given.connections, 1, script)
                    figures[mode].append(rate(url, given.connections, given.seconds, script))
    base = statistics.median(figures["nothing"])
    print(f"{'':>16}{'requests/s':>12}{'of nothing':>12}{'us more':>10}")
    for mode, found in figures.items():
        median = statistics.median(found)
        print(f"{mode:>16}{median:>12,.0f}{median / base:>12.2f}{1e6 / median - 1e6 / base:>10.1f}")


if __name__ == "__main__":
    main()
