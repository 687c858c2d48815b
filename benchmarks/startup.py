"""Seconds from start to ready, and resident memory, with one scikit-learn model: mlcore beside MLServer."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import joblib
import psutil
from servers import free_ports, mlcore_command, mlserver_command, stop, wait_for
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression


def measure(command: list[str], port: int) -> tuple[float, float]:
    """Return seconds to ready, and MiB of the server and its children after one answer."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        base = f"http://127.0.0.1:{port}/v2"
        # MLServer says ready while it loads, so the model itself is asked.
        wait_for(f"{base}/models/iris/ready", process)
        ready_s = time.perf_counter() - began
        row = {"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}
        wait_for(f"{base}/models/iris/infer", process, json.dumps({"inputs": [row]}).encode())
        tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        return ready_s, sum(member.memory_info().rss for member in tree) / 2**20
    finally:
        stop(process)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlserver", metavar="PYTHON", help="an interpreter that has MLServer and mlserver-sklearn")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        joblib.dump(LogisticRegression(max_iter=300).fit(*load_iris(return_X_y=True)), folder / "model.joblib")
        settings = {"name": "iris", "implementation": "mlserver_sklearn.SKLearnModel"}
        (folder / "model-settings.json").write_text(json.dumps(settings))
        figures: dict[str, list[tuple[float, float]]] = {}
        for _ in range(given.rounds):
            (port,) = free_ports(1)
            (folder / "settings.json").unlink(missing_ok=True)
            figures.setdefault("mlcore", []).append(measure(mlcore_command(folder, port), port))
            if given.mlserver:
                command = mlserver_command(given.mlserver, folder, port)
                figures.setdefault("MLServer", []).append(measure(command, port))
        print(f"{'':>10}{'to ready, s':>14}{'resident, MiB':>16}")
        for name, runs in figures.items():
            seconds, memory = (statistics.median(column) for column in zip(*runs, strict=True))
            print(f"{name:>10}{seconds:>14.2f}{memory:>16.0f}")


if __name__ == "__main__":
    main()
