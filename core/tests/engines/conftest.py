"""Folders of a model that does what a request says, and servers of it with workers."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from many import MODEL
from mlcore import Server

Folder = Callable[..., Path]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return the folder for models."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def model(repository: Path) -> Folder:
    """Return a function that writes a model's folder."""

    def write(name: str, implementation: str = "many.Many", **settings: Any) -> Path:
        place = repository / name
        place.mkdir(exist_ok=True)
        (place / "many.py").write_text(MODEL)
        (place / "model-settings.json").write_text(
            json.dumps({"name": name, "implementation": implementation, **settings})
        )
        return place

    return write


@pytest.fixture
def folder(model: Folder) -> Path:
    """Return the folder of one model."""
    return model("many")


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[Server]:
    """Return a server of that model in two workers."""
    async with Server(folder, transports=[], parallel_workers=2) as running:
        yield running
