"""The examples of docs/grpc.md run as they stand there, but for the address."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mlcore.testing import start_server

PAGE = (Path(__file__).parents[2] / "docs" / "grpc.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- run -->\n```python\n(.*?)```", PAGE, re.DOTALL)
(SHELL,) = re.findall(r"<!-- shell -->\n```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def server():
    running = start_server(Path(__file__).parent / "models")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder in which the page's shell commands were run, but for pip."""
    folder = tmp_path_factory.mktemp("client")
    commands = "\n".join(line for line in SHELL.splitlines() if not line.startswith("pip "))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", commands], cwd=folder, env={**os.environ, "PATH": path}, check=True, timeout=60)
    return folder


@pytest.mark.parametrize(
    ("number", "printed"),
    [
        (0, "[[1.5 2.5]]\n"),
        (1, "1 to\n1 be\n1 or\n1 not\n1 to\n1 be\n"),
        (2, "[1.5, 2.5]\n"),
    ],
)
def test_an_example_prints_what_the_page_promises(server, folder, number, printed):
    program = EXAMPLES[number].replace("localhost:8081", server.urls["grpc"].removeprefix("grpc://"))
    run = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60)

    assert run.stdout == printed, run.stderr


def test_every_example_is_run():
    assert len(EXAMPLES) == 3
