"""Folders of a model that does what a request says, and servers of them, which are stopped in the end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from many import MODEL
from mlcore.testing import start_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mlcore.testing.process import RunningServer


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return the folder for models."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def model(repository: Path) -> Callable[..., Path]:
    """Return a function that writes a model's folder."""

    def write(name: str = "many", kind: str = "Many", **settings: Any) -> Path:
        place = repository / name
        place.mkdir(exist_ok=True)
        (place / "many.py").write_text(MODEL)
        (place / "model-settings.json").write_text(
            json.dumps({"name": name, "implementation": f"many.{kind}", **settings})
        )
        return place

    return write


@pytest.fixture
def start(repository: Path) -> Iterator[Callable[..., RunningServer]]:
    """Return a function that serves the folder with more options."""
    running = []

    def start(*options: str) -> RunningServer:
        running.append(start_server(repository, *options))
        return running[-1]

    yield start
    for server in running:
        server.stop()
