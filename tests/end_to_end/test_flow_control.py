"""More requests than a model can work on, requests that take too long, and clients that go away: over real sockets."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mlcore.testing.process import HttpAnswer, RunningServer

Place = "Callable[[str], Path]"


def tensor(name: str, *texts: object) -> dict[str, Any]:
    return {"name": name, "datatype": "BYTES", "shape": [len(texts)], "data": [str(text) for text in texts]}


def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that makes a folder in which a slow request leaves its traces."""

    def make(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        return folder

    return make


@pytest.fixture
def ask() -> Iterator[Callable[..., Future[HttpAnswer]]]:
    """Return a function that begins a request to the model `many`."""
    with ThreadPoolExecutor(64) as threads:

        def begin(server: RunningServer, *inputs: dict[str, Any], **members: Any) -> Future[HttpAnswer]:
            return threads.submit(server.infer, "many", *inputs, **members)

        yield begin


def let_in(server: RunningServer) -> int:
    """Return how many requests the server has let in that are not over: at work, and waiting."""
    with urllib.request.urlopen(server.urls["metrics"] + "/metrics", timeout=60) as answer:
        (count,) = re.findall(r'^mlcore_requests_active\{model="many".*\} (\S+)$', answer.read().decode(), re.MULTILINE)
    return int(float(count))


def hang_up(server: RunningServer, *inputs: dict[str, Any]) -> socket.socket:
    """Send a request, and return its connection."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    body = json.dumps({"inputs": inputs}).encode()
    connection = socket.create_connection((host, int(port)))
    connection.sendall(
        b"POST /v2/models/many/infer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    return connection


# --- the queue ---


@pytest.mark.parametrize(("workers", "working"), [("0", 1), ("1", 1), ("2", 2)])
def test_f38_what_the_queue_does_not_hold_is_refused_at_once(model, start, place, ask, workers, working) -> None:
    model(kind="Plain", max_queue_size=10)
    server = start("--parallel-workers", workers)
    folder = place("slow")

    asked = [ask(server, tensor("slow", folder)) for _ in range(50)]
    refused = [future.result() for future in _first(asked, 50 - 10 - working)]
    (folder / "go").touch()
    accepted = [future.result() for future in asked if future.result() not in refused]

    assert {answer.status for answer in refused} == {503}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert "requests waiting" in refused[0].json()["error"]
    assert [answer.status for answer in accepted] == [200] * (10 + working)
    assert server.infer("many", tensor("pid")).status == 200


def _first(futures: list[Future[HttpAnswer]], count: int) -> list[Future[HttpAnswer]]:
    done = []
    for future in as_completed(futures, timeout=60):
        done.append(future)
        if len(done) == count:
            return done
    raise AssertionError("fewer were answered")


def test_the_most_urgent_request_that_waits_comes_next(model, start, place, ask, tmp_path: Path) -> None:
    model(kind="Plain")
    server = start("--parallel-workers", "1")
    folder, notes = place("slow"), tmp_path / "notes"
    first = ask(server, tensor("slow", folder))
    until((folder / "began").exists)

    asked = []
    for text, priority in [("a", 0), ("b", 0), ("c", 3), ("d", 2), ("e", 1), ("f", 0)]:
        asked.append(ask(server, tensor("note", notes, text), parameters={"priority": priority}))
        until(lambda: let_in(server) == 1 + len(asked))  # in this order, over connections of their own
    (folder / "go").touch()

    assert {future.result().status for future in [first, *asked]} == {200}
    # One stands ready at the worker; what waits in the front is put in order.
    assert notes.read_text() == "aedcbf"


# --- time ---


def test_f39_a_request_that_takes_too_long_is_answered_504_and_cancelled(model, start, place) -> None:
    model(request_timeout=0.3)
    server = start()
    folder = place("slow")

    while True:  # a busy machine may not begin in time
        answer = server.infer("many", tensor("slow", folder))
        assert (answer.status, "within 0.3 s" in answer.json()["error"]) == (504, True)
        if (folder / "began").exists():
            break

    until((folder / "cancelled").exists)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_plain_predict_goes_on_but_nobody_waits_for_it(model, start, place, workers) -> None:
    model(kind="Plain")
    server = start("--parallel-workers", workers)
    folder, late = place("slow"), place("late")

    for timeout in (200_000, 2_000_000, 20_000_000):  # a busy machine may not begin at once
        answer = server.infer("many", tensor("slow", folder), parameters={"timeout": timeout})
        if (folder / "began").exists():
            break
    queued = server.infer("many", tensor("slow", late), parameters={"timeout": 200_000})

    assert (answer.status, queued.status) == (504, 504)
    assert (folder / "began").exists()
    assert let_in(server) >= 1, "it counts until its thread is done with it"
    (folder / "go").touch()
    until(lambda: let_in(server) == 0)
    assert server.infer("many", tensor("pid")).status == 200
    assert not (late / "began").exists()


def test_f39_a_queued_request_is_given_up_at_its_time_and_never_run(model, start, place, ask) -> None:
    model(kind="Plain")
    server = start("--parallel-workers", "1")
    folder, late = place("slow"), place("late")
    first = ask(server, tensor("slow", folder))
    until((folder / "began").exists)
    ahead = ask(server, tensor("pid"))
    answer = server.infer("many", tensor("slow", late), parameters={"timeout": 100_000})
    (folder / "go").touch()

    assert answer.status == 504
    assert [first.result().status, ahead.result().status] == [200, 200]
    assert server.infer("many", tensor("pid")).status == 200
    assert not (late / "began").exists()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("timeout", "soon"), ("timeout", -1), ("timeout", True), ("timeout", 0.5), ("priority", "x")],
)
def test_a_wrong_parameter_is_the_clients_error(model, start, parameter, value) -> None:
    model()
    answer = start("--parallel-workers", "0").infer("many", tensor("pid"), parameters={parameter: value})

    assert answer.status == 400
    assert answer.json()["error"].startswith(f"parameters.{parameter}: expected")


# --- clients that go away ---


@pytest.mark.parametrize("workers", ["0", "1"])
def test_f15_the_model_learns_that_a_client_has_gone(model, start, place, workers) -> None:
    model()
    server = start("--parallel-workers", workers)
    folder = place("slow")
    connection = hang_up(server, tensor("slow", folder))
    until((folder / "began").exists)

    connection.close()

    until((folder / "cancelled").exists)
    assert server.infer("many", tensor("pid")).status == 200
    server.stop()
    assert not [line for line in server.log if "error" in line.lower()]


@pytest.mark.parametrize("workers", ["0", "1"])
def test_f15_a_queued_request_whose_client_has_gone_is_never_run(model, start, place, ask, workers) -> None:
    model(kind="Plain")
    server = start("--parallel-workers", workers)
    first, gone, last = place("first"), place("gone"), place("last")
    asked = ask(server, tensor("slow", first))
    until((first / "began").exists)
    connections = [hang_up(server, tensor("slow", gone)) for _ in range(3)]
    until(lambda: let_in(server) == 4)
    for connection in connections:
        connection.close()
    until(lambda: let_in(server) == 1)
    (last / "go").touch()
    (first / "go").touch()

    assert asked.result().status == 200
    assert server.infer("many", tensor("slow", last)).status == 200
    assert not (gone / "began").exists()


# --- the end ---


@pytest.mark.parametrize(("workers", "kind"), [("0", "Many"), ("1", "Many"), ("1", "Plain")])
def test_f21_a_second_sigterm_ends_everything_at_once(model, start, place, ask, workers, kind) -> None:
    model(kind=kind)
    server = start("--parallel-workers", workers)
    folder = place("slow")
    asked = ask(server, tensor("slow", folder))
    until((folder / "began").exists)

    server.process.send_signal(signal.SIGTERM)
    until(lambda: any("stopping" in line for line in server.log))
    assert not asked.done()
    server.process.send_signal(signal.SIGTERM)
    answer = asked.result(60)

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert server.process.wait(60) == 128 + signal.SIGTERM
    server.stop()
    assert not [line for line in server.log if "Traceback" in line]
