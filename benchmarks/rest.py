"""Requests a second of an identity model over REST: mlcore beside a bare uvicorn app, and MLServer if it is there.

Each server has one core, the load generator (wrk) the other. The servers take turns, round after round, and the table
shows the medians and the ratios.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from servers import HERE, LOAD_CORE, free_ports, identity_folder, mlcore_command, mlserver_command, running

REQUEST = {"id": "1", "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1.0, 2.0, 3.0, 4.0]}]}


def load(port: int, connections: int, seconds: int, script: Path) -> float:
    """Return the requests a second that a server answers, all of them with 200."""
    done = subprocess.run(
        [
            *["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)],
            f"http://127.0.0.1:{port}/v2/models/identity/infer",
        ],
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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        script = folder / "post.lua"
        script.write_text(
            f"wrk.method = 'POST'\nwrk.body = [[{json.dumps(REQUEST, separators=(',', ':'))}]]\n"
            "wrk.headers['Content-Type'] = 'application/json'\n"
        )
        mlcore_folder = identity_folder(folder, "mlcore")
        mlserver_folder = identity_folder(folder, "mlserver")
        body = json.dumps(REQUEST).encode()
        figures: dict[tuple[str, int], list[float]] = {}
        for _ in range(given.rounds):
            (port,) = free_ports(1)
            commands = {
                "bare app": [sys.executable, str(HERE / "bare_app.py"), str(port)],
                "mlcore": mlcore_command(mlcore_folder, port),
            }
            if given.mlserver:
                commands["MLServer"] = mlserver_command(given.mlserver, mlserver_folder, port)
            for name, command in commands.items():
                url = f"http://127.0.0.1:{port}/v2/models/identity/infer"
                with running(command, url, body):
                    for connections in (1, 16, 64):
                        figures.setdefault((name, connections), []).append(
                            load(port, connections, given.seconds, script)
                        )
        names = list(dict.fromkeys(name for name, _ in figures))
        print(f"{'connections':>12}" + "".join(f"{name:>12}" for name in names) + "    mlcore against the others")
        for connections in (1, 16, 64):
            median = {name: statistics.median(figures[name, connections]) for name in names}
            ratios = ", ".join(f"{median['mlcore'] / median[name]:.2f} x {name}" for name in names if name != "mlcore")
            print(f"{connections:>12}" + "".join(f"{median[name]:>12,.0f}" for name in names) + f"    {ratios}")


if __name__ == "__main__":
    main()
