"""The example as its users run it: prepared, served by a process of its own, and asked with the README's request."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the example with its model made."""
    copy = shutil.copytree(HERE, tmp_path / "iris-sklearn", ignore=shutil.ignore_patterns("model.joblib"))
    subprocess.run([sys.executable, str(copy / "prepare.py")], check=True)
    return copy


def test_the_request_of_the_readme_is_answered_with_kinds(server: Callable[..., Any], folder: Path) -> None:
    answer = server(folder).post("/v2/models/iris/infer", json.loads((HERE / "request.json").read_text()))

    assert answer.status == 200, answer.body
    kinds, probabilities = answer.json()["outputs"]
    assert kinds["data"] == ["setosa", "virginica"]
    assert probabilities["shape"] == [2, 3]
    assert min(probabilities["data"][0], probabilities["data"][5]) > 0.9


def test_a_model_that_is_there_is_not_fitted_again(folder: Path) -> None:
    (folder / "train.py").write_text("raise SystemExit('fitted again')")

    subprocess.run([sys.executable, str(folder / "prepare.py")], check=True)
