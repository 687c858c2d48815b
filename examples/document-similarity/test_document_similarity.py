"""The example as its users run it: a server in a process of its own, and the client."""

from __future__ import annotations

import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from many import workers_of

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
TEXTS = runpy.run_path(str(HERE / "texts.py"))


def similarity(running: Any, text: str, other: str) -> float:
    docs = {"name": "docs", "shape": [2, 1], "datatype": "BYTES", "data": [text, other]}
    answer = running.infer("doc-sim-model", {**docs, "parameters": {"content_type": "str"}})
    assert answer.status == 200, answer.body
    (output,) = answer.json()["outputs"]
    assert (output["name"], output["shape"], output["datatype"]) == ("output-0", [1], "FP64")
    (value,) = output["data"]
    return float(value)


def test_the_service_answers_what_spacy_says(server: Callable[..., Any]) -> None:
    import spacy

    nlp = spacy.load("en_core_web_md")
    barbie, oppenheimer, pancakes = TEXTS["BARBIE"], TEXTS["OPPENHEIMER"], TEXTS["PANCAKES"]
    running = server(HERE)

    films = similarity(running, barbie, oppenheimer)
    assert films == pytest.approx(nlp(barbie).similarity(nlp(oppenheimer)), abs=1e-9)
    assert films > similarity(running, barbie, pancakes)


def test_three_workers_answer_three_pairs_of_films_at_once(server: Callable[..., Any]) -> None:
    import spacy

    nlp = spacy.load("en_core_web_md")
    pairs = list(TEXTS["TWIN_FILMS"].values())
    running = server(HERE, "--parallel-workers", "3")
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda pair: similarity(running, *pair), pairs))

    assert len(workers_of(running.process.pid)) == 3
    assert found == pytest.approx([nlp(text).similarity(nlp(other)) for text, other in pairs], abs=1e-9)
    assert max(found[:2]) > found[2]


def test_the_client_prints_the_similarity(server: Callable[..., Any]) -> None:
    running = server(HERE)

    done = subprocess.run([sys.executable, "client.py", running.url], cwd=HERE, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "Our movies are 9" in done.stdout


def test_preparing_twice_does_nothing() -> None:
    done = subprocess.run([sys.executable, HERE / "prepare.py"], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "en_core_web_md 3.8.0: is there already\n")
