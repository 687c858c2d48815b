"""Memory of N workers with M models, each of them in every worker and each in one (`replicas: 1`).

The models hold an array each. The figures are the proportional set size of the server and its workers: memory that
processes share counts once.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import psutil
from servers import free_ports, mlcore_command, running

MODEL = """
import numpy as np
from mlcore import MLModel


class Heavy(MLModel):
    def load(self):
        self.weights = np.ones(self.settings.parameters.extra["megabytes"] * 2**17)
"""


def folder_of(place: Path, models: int, megabytes: int, replicas: int | None) -> Path:
    """Write the models' folders, and return the folder that they are in."""
    for number in range(models):
        folder = place / f"model-{number}"
        folder.mkdir(parents=True)
        (folder / "heavy.py").write_text(MODEL)
        settings = {"implementation": "heavy.Heavy", "parameters": {"extra": {"megabytes": megabytes}}}
        (folder / "model-settings.json").write_text(json.dumps(settings | ({"replicas": replicas} if replicas else {})))
    return place


def memory_of(folder: Path, workers: int) -> tuple[float, float]:
    """Return the megabytes of the server's own process and of its workers."""
    (port,) = free_ports(1)
    command = [*mlcore_command(folder, port), "--parallel-workers", str(workers)]
    with running(command, f"http://127.0.0.1:{port}/v2/health/ready", pin=False) as process:
        front = psutil.Process(process.pid)
        own = front.memory_full_info().pss
        return own / 2**20, sum(child.memory_full_info().pss for child in front.children()) / 2**20


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--models", type=int, nargs="*", default=[1, 4, 8])
    parser.add_argument("--megabytes", type=int, default=50, help="that each model holds")
    given = parser.parse_args()
    print(f"{'workers':>8}{'models':>8}{'front MB':>10}{'workers MB':>12}{'with replicas: 1':>18}{'ratio':>8}")
    for workers in given.workers:
        for models in given.models:
            with tempfile.TemporaryDirectory() as made:
                everywhere = folder_of(Path(made) / "all", models, given.megabytes, None)
                front, full = memory_of(everywhere, workers)
                once = folder_of(Path(made) / "one", models, given.megabytes, 1)
                _, single = memory_of(once, workers)
            print(f"{workers:>8}{models:>8}{front:>10,.0f}{full:>12,.0f}{single:>18,.0f}{single / full:>8.2f}")


if __name__ == "__main__":
    main()
