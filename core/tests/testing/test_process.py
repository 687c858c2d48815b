"""The fixture `server`: a server process, and what is asked of it over HTTP."""

import subprocess

import pytest
from mlcore.testing import start_server


def test_a_server_is_started_asked_and_stopped(server, repository, model):
    model("m")

    running = server(repository, "--log-level", "INFO", env={"MLCORE_SERVER_NAME": "from the test"})

    assert running.url == running.urls["rest"]
    assert running.get("/v2").json()["name"] == "from the test"
    answer = running.infer("m", {"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}, id="r-1")
    assert (answer.status, answer.json()["id"]) == (200, "r-1")
    assert answer.headers["Content-Type"] == "application/json"
    missing = running.post("/v2/models/nobody/infer", b'{"inputs": []}', {"X-Own": "1"})
    assert (missing.status, list(missing.json())) == (404, ["error"])
    assert running.stop() == 0
    assert running.stop() == 0
    assert any("stopping" in line for line in running.log)


def test_a_server_that_does_not_come_up_says_why(repository):
    (repository / "settings.json").write_text("{")

    with pytest.raises(RuntimeError, match=r"the server did not come up; its log:\n.*not valid JSON"):
        start_server(repository)


def test_a_server_that_takes_too_long_is_ended(repository, model):
    model("m", "import time; time.sleep(30)")

    with pytest.raises(RuntimeError, match="the server did not come up"):
        start_server(repository, timeout_s=0.1)


def test_a_server_that_does_not_stop_in_time_is_ended(server, repository):
    (repository / "settings.json").write_text('{"drain_delay": 30}')
    running = server(repository)

    with pytest.raises(subprocess.TimeoutExpired):
        running.stop(0.2)

    assert running.process.poll() is not None
