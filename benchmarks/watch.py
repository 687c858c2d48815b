"""What a look of `watch` costs, beside a bare `os.walk` with a `stat` of each file.

python benchmarks/watch.py [MODELS] [FILES]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.plugins import Plugins
from mlcore.repository.folder_repository import FolderRepository
from mlcore.repository.inventory import Inventory

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 20


def main() -> None:
    """Make models, look at them, and print what it took."""
    models, files = (int(argument) for argument in (*sys.argv[1:], *("100", "20")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(models):
            model = root / f"model-{number}"
            model.mkdir()
            (model / "model-settings.json").write_text(json.dumps({"implementation": "my_model.MyModel"}))
            for file in range(files - 1):
                (model / f"file-{file}").write_bytes(bytes(1000))
        inventory = Inventory(FolderRepository(root, Plugins().runtimes), [])

        def look() -> None:
            for entry in inventory.found().values():
                inventory.stamp(entry)

        def walk() -> None:
            for place, _, names in os.walk(root):
                for name in names:
                    os.stat(os.path.join(place, name))

        first_s = seconds(look, 1)
        time.sleep(0.2)  # files that have just changed are read again
        look()
        walk_s, look_s = seconds(walk, ROUNDS), seconds(look, ROUNDS)
    print(f"{models} models of {files} files: first look {first_s * 1e3:.1f} ms, each later one {look_s * 1e3:.1f} ms")
    print(f"beside os.walk and os.stat: {look_s / walk_s:.1f} times as long")


def seconds(work: Callable[[], None], rounds: int) -> float:
    """Return the shortest of some rounds, in the processor's seconds."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    main()
