"""B110 and B111: many clients that load and unload one model, while others ask it."""

from __future__ import annotations

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from many import MODEL
from standing import Standing

from .asking import Reply
from .operated import GrpcOperator, RestOperator

ROUNDS = int(os.environ.get("MLCORE_TEST_RACE_ROUNDS", "8"))
"""How often each of 32 clients does something; 200 is the long run."""

TENSOR = {"name": "same", "datatype": "INT64", "shape": [1], "data": [7]}
ALLOWED = {"OK", "NOT_FOUND", "FAILED_PRECONDITION", "UNAVAILABLE"}

# A model whose load lasts until a file is there.
HELD = """
import time
from pathlib import Path
here = Path(__file__).parent
(here / "began").touch()
while not (here / "go").exists():
    time.sleep(0.005)
"""


@pytest.fixture
def raced(operated):
    """Write a model that is loaded and unloaded, and let the server forget it after the test."""
    folder = operated.write("raced")
    yield folder
    operated.forget("raced")


@pytest.fixture(scope="module")
def operators(operated):
    """Return clients, half of them over each protocol, that are connected already."""
    made = [RestOperator(operated.server) if number % 2 else GrpcOperator(operated.server) for number in range(32)]
    for client in made:
        assert client.load("many").code == "OK"
    yield made
    for client in made:
        client.close()


def test_b110_whoever_loads_one_model_at_once_gets_the_result(operated, operators, raced) -> None:
    # That it is one load is tested where it can be known that all have asked: in core/tests/test_lifecycle.py.
    stood = Standing(operated.server)
    (raced / "many.py").write_text(HELD + MODEL)
    with ThreadPoolExecutor(100) as clients:
        loads = [clients.submit(operators[number % 32].load, "raced") for number in range(100)]
        while not (raced / "began").exists():
            assert not any(load.done() for load in loads)
        (raced / "go").touch()
        replies = [load.result() for load in loads]

    assert replies == [Reply("OK")] * 100
    assert {client.infer("raced", TENSOR).code for client in operators[:2]} == {"OK"}
    stood.check()


def test_b110_whoever_loads_a_model_that_fails_learns_why(operated, operators, raced) -> None:
    assert operators[0].load("raced").code == "OK"
    stood = Standing(operated.server)
    (raced / "many.py").write_text(HELD + "raise ValueError('no weights')")
    with ThreadPoolExecutor(100) as clients:
        loads = [clients.submit(operators[number % 32].load, "raced") for number in range(100)]
        while not (raced / "began").exists():
            assert not any(load.done() for load in loads)
        (raced / "go").touch()
        replies = [load.result() for load in loads]

    assert {reply.code for reply in replies} == {"FAILED_PRECONDITION"}
    assert all("no weights" in reply.message for reply in replies)
    assert operators[0].infer("raced", TENSOR).code == "OK"
    stood.check(warnings=100)


def test_b111_loads_unloads_and_requests_may_race(operated, operators, raced) -> None:
    assert operators[0].load("raced").code == "OK"
    stood = Standing(operated.server)
    seen: list[tuple[str, Reply]] = []

    def client(number: int) -> None:
        chosen, operator = random.Random(number), operators[number]
        for _ in range(ROUNDS):
            what = chosen.choice(["load", "unload", "infer", "infer"])
            reply = operator.infer("raced", TENSOR) if what == "infer" else getattr(operator, what)("raced")
            seen.append((what, reply))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 32 * ROUNDS
    assert {reply.code for _, reply in seen} <= ALLOWED, [pair for pair in seen if pair[1].code not in ALLOWED]
    assert {tuple(reply.outputs["same"]) for what, reply in seen if what == "infer" and reply.code == "OK"} <= {(7,)}
    for operator in operators[:2]:
        is_there = operator.states()["raced"][0] == "READY"
        assert operator.infer("raced", TENSOR).code == ("OK" if is_there else "NOT_FOUND")
        assert operator.load("raced").code == "OK"
        assert operator.infer("raced", TENSOR).outputs == {"same": [7]}
        assert operator.unload("raced").code == "OK"
        assert operator.infer("raced", TENSOR).code == "NOT_FOUND"
        assert operator.load("raced").code == "OK"
    stood.check(warnings=32 * ROUNDS)  # each request to a model that is loading has a line
