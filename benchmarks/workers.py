"""What workers and batching give: requests a second of four models, by number of workers, beside MLServer.

The models: a tiny one, one that gives back 600 KB of binary tensor, one with 10 ms of computing, and one of 5 ms and
0.1 ms for each row, of which 64 clients ask at once. The load generator is wrk. Servers take turns, round after round,
and share the machine's cores with it; the table shows medians, and the last columns what they are to be compared with.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import statistics
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servers import free_ports, mlcore_command, mlserver_command, running

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = """
import threading
import time
import numpy as np
from {package} import MLModel
from {package}.types import InferenceResponse, ResponseOutput


def same(model, payload):
    x = payload.inputs[0]
    output = ResponseOutput(name="y", shape=x.shape, datatype=x.datatype, data=x.data, parameters={parameters})
    return InferenceResponse(model_name=model.name, outputs=[output])


class Tiny(MLModel):
    async def predict(self, payload):
        return same(self, payload)


class Computing(MLModel):
    {plain}def predict(self, payload):
        end = time.thread_time() + 0.010
        while time.thread_time() < end:
            sum(range(200))
        return same(self, payload)


class Rows(MLModel):
    {plain}def predict(self, payload):
        time.sleep(0.005 + 0.0001 * payload.inputs[0].shape[0])
        return same(self, payload)
"""

TINY = {"id": "1", "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1.0, 2.0, 3.0, 4.0]}]}
FLOATS = 150_528
COST_LIMIT = 32 / (0.005 + 32 * 0.0001)


@dataclass
class Load:
    """One kind of load.

    Attributes:
        kind: The model's class.
        connections: Clients at once.
        settings: The model's settings.
        binary: Whether the request is a binary tensor of 600 KB.
        peers: Whether MLServer can do it.
    """

    kind: str
    connections: int
    settings: dict[str, Any] = field(default_factory=dict)
    binary: bool = False
    peers: bool = True


LOADS = {
    "tiny": Load("Tiny", 64),
    "600 KB": Load("Tiny", 8, binary=True, peers=False),
    "10 ms": Load("Computing", 16),
    "rows": Load("Rows", 64, {"max_batch_size": 32, "max_batch_time": 0.005}),
    "rows, 1 client": Load("Rows", 1, {"max_batch_size": 32, "max_batch_time": 0.005}),
    "rows alone, 1 client": Load("Rows", 1),
}


def script_of(place: Path, load: Load) -> Path:
    """Write what wrk sends."""
    script = place / f"{load.kind}-{load.binary}.lua"
    if not load.binary:
        head = (
            f"wrk.method = 'POST'\nwrk.body = [[{json.dumps(TINY)}]]\nwrk.headers['Content-Type'] = 'application/json'"
        )
        script.write_text(head + "\n")
        return script
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, FLOATS], "parameters": {"binary_data_size": 4 * FLOATS}}
    request = json.dumps({"id": "1", "parameters": {"binary_data_output": True}, "inputs": [tensor]}).encode()
    body = place / "body"
    body.write_bytes(request + bytes(4 * FLOATS))
    script.write_text(
        f"wrk.method = 'POST'\nwrk.body = io.open('{body}', 'rb'):read('*a')\n"
        f"wrk.headers['Inference-Header-Content-Length'] = '{len(request)}'\n"
        "wrk.headers['Content-Type'] = 'application/octet-stream'\n"
    )
    return script


def folder_of(place: Path, name: str, load: Load, package: str) -> Path:
    """Write a model's folder, and return it."""
    folder = place / f"{name}-{package}".replace(" ", "-").replace(",", "")
    folder.mkdir()
    # MLServer awaits whatever predict is; mlcore runs a plain one in a thread.
    plain = "" if package == "mlcore" else "async "
    (folder / f"bench_{package}.py").write_text(MODEL.format(package=package, plain=plain, parameters="None"))
    settings = {"name": "m", "implementation": f"bench_{package}.{load.kind}", **load.settings}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    return folder


@contextlib.contextmanager
def served(command: list[str], port: int, extra: dict[str, str] | None = None) -> Iterator[str]:
    """Run a server, and give its address."""
    with running(command, f"http://127.0.0.1:{port}/v2/models/m/ready", pin=False):
        yield f"http://127.0.0.1:{port}/v2/models/m/infer"


def rate(url: str, load: Load, script: Path, seconds: float) -> float:
    """Return the requests a second that are answered, all of them with 200."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(script), url],
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
    parser.add_argument("--mlserver", metavar="PYTHON", help="an interpreter that has MLServer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--only", help="one of the loads")
    given = parser.parse_args()
    loads = {name: load for name, load in LOADS.items() if given.only in (None, name)}
    figures: dict[tuple[str, str], list[float]] = {}
    for _ in range(given.rounds):
        for name, load in loads.items():
            with tempfile.TemporaryDirectory() as made:
                place = Path(made)
                script = script_of(place, load)
                folder = folder_of(place, name, load, "mlcore")
                (port,) = free_ports(1)
                commands = {
                    f"mlcore {workers}": [*mlcore_command(folder, port), "--parallel-workers", str(workers)]
                    for workers in (0, 1, 2)
                }
                if given.mlserver and load.peers:
                    peer = folder_of(place, name, load, "mlserver")
                    commands["MLServer 1"] = mlserver_command(given.mlserver, peer, port)
                    two = folder_of(place, f"{name}-2", load, "mlserver")
                    commands["MLServer 2"] = mlserver_command(given.mlserver, two, port)
                    settings = json.loads((two / "settings.json").read_text())
                    (two / "settings.json").write_text(json.dumps(settings | {"parallel_workers": 2}))
                for server, command in commands.items():
                    with served(command, port) as url:
                        rate(url, load, script, 1)
                        figures.setdefault((name, server), []).append(rate(url, load, script, given.seconds))
    servers = list(dict.fromkeys(server for _, server in figures))
    print(
        f"{'':>22}"
        + "".join(f"{server:>12}" for server in servers)
        + f"{'1 / inline':>12}{'2 / 1':>8}{'1 / MLServer':>14}"
    )
    for name in loads:
        median = {server: statistics.median(found) for server in servers if (found := figures.get((name, server)))}
        cells = "".join(f"{median[server]:>12,.1f}" if server in median else f"{'-':>12}" for server in servers)
        one, inline, two = median["mlcore 1"], median["mlcore 0"], median["mlcore 2"]
        peer = f"{one / median['MLServer 1']:.1f}" if "MLServer 1" in median else "-"
        print(f"{name:>22}{cells}{one / inline:>12.2f}{two / one:>8.2f}{peer:>14}")
    if "rows" in loads:
        rows = statistics.median(figures["rows", "mlcore 1"])
        print(f"rows: {rows / COST_LIMIT:.2f} of {COST_LIMIT:,.0f} a second, what its cost allows in batches of 32")


if __name__ == "__main__":
    main()
