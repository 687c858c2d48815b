"""The example as its users run it: a server in a process of its own, and the requests of the README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
REQUEST = json.loads((HERE / "request.json").read_text())


def test_the_highest_version_answers_unless_another_is_named(server: Callable[..., Any]) -> None:
    running = server(HERE)

    by_default = running.post("/v2/models/greeter/infer", REQUEST).json()
    old = running.post("/v2/models/greeter/versions/v1/infer", REQUEST).json()
    new = running.post("/v2/models/greeter/versions/v2/infer", REQUEST).json()

    assert (by_default["model_version"], by_default["outputs"][0]["data"]) == ("v2", ["Hello, Ada!", "Hello, Grace!"])
    assert (old["model_version"], old["outputs"][0]["data"]) == ("v1", ["Hello Ada", "Hello Grace"])
    assert new["outputs"] == by_default["outputs"]


def test_the_new_version_takes_more_than_the_old_one(server: Callable[..., Any]) -> None:
    name = {"name": "name", "shape": [1], "datatype": "BYTES", "data": ["Ada"]}
    word = {"name": "word", "shape": [1], "datatype": "BYTES", "data": ["Bonjour"]}
    running = server(HERE)

    new = running.post("/v2/models/greeter/infer", {"inputs": [name, word]})
    old = running.post("/v2/models/greeter/versions/v1/infer", {"inputs": [name, word]})

    assert new.json()["outputs"][0]["data"] == ["Bonjour, Ada!"]
    assert old.status == 400
