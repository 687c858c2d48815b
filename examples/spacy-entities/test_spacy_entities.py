"""The example as its users run it: a server in a process of its own, and the request of the README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent


def test_the_request_of_the_readme_is_answered_with_entities(server: Callable[..., Any]) -> None:
    running = server(HERE)

    answer = running.post("/v2/models/spacy-entities/infer", json.loads((HERE / "request.json").read_text()))

    assert answer.status == 200, answer.body
    (output,) = answer.json()["outputs"]
    assert (output["name"], output["shape"]) == ("entities", [2, 1])
    first, second = (json.loads(element) for element in output["data"])
    assert {"text": "Greta Gerwig", "start": 0, "end": 12, "label": "PERSON"} in first
    assert {"text": "Cillian Murphy", "start": 0, "end": 14, "label": "PERSON"} in second
