"""Folders of models, and the program, run in this process: its answer is the same there, and much sooner."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from mlcore.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODEL = """
from mlcore import MLModel


class MyModel(MLModel):
    pass
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run each test in an empty folder, without the settings of whoever runs it."""
    for name in list(os.environ):
        if name.upper().startswith("MLCORE_"):
            monkeypatch.delenv(name)
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a model's folder: its settings, and other files by name."""

    def write(files: dict[str, str] | None = None, /, **settings: Any) -> Path:
        place = tmp_path / "doubler"
        place.mkdir(exist_ok=True)
        (place / "model-settings.json").write_text(
            json.dumps({"name": "doubler", "implementation": "my_model.MyModel", **settings})
        )
        for name, text in {"my_model.py": MODEL, **(files or {})}.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        return place

    return write


@pytest.fixture
def mlcore(capfd: pytest.CaptureFixture[str]) -> Callable[..., SimpleNamespace]:
    """Return a function that runs `mlcore` with some arguments in this process, and returns what it did."""

    def mlcore(*arguments: object) -> SimpleNamespace:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ending:  # argparse ends the program itself
            code = ending.code
        written = capfd.readouterr()
        return SimpleNamespace(stdout=written.out, stderr=written.err, returncode=code)

    return mlcore
