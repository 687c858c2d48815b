"""The last chapter of the guide: the image of the folder that compares two texts, built, run, asked and stopped."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Docker = Callable[..., subprocess.CompletedProcess[str]]

EXAMPLE = Path(__file__).parents[2] / "examples" / "document-similarity"
TEXTS = runpy.run_path(str(EXAMPLE / "texts.py"))
MLCORE = (sys.executable, "-m", "mlcore")

# Asks on a new connection each time, in several threads, until nobody listens any more. What is asked and not answered
# is an error. It says when the first answer is there.
CLIENTS = """
import http.client, json, sys, threading

body = sys.stdin.read()
answers, lost = [], []


def ask():
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=60)
        try:
            connection.connect()
        except ConnectionRefusedError:
            return
        try:
            connection.request("POST", "/v2/models/doc-sim-model/infer", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answers.append((answer.status, json.loads(answer.read())))
        except Exception as error:
            lost.append(repr(error))
        finally:
            connection.close()
        if len(answers) == 1:
            print("answered", flush=True)


threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"answers": answers, "lost": lost}))
"""


@pytest.fixture(scope="module")
def image(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the image of the guide's folder, and return its name."""
    folder = tmp_path_factory.mktemp("guide") / "similarity_model"
    folder.mkdir()
    for name in ("model-settings.json", "my_model.py"):
        shutil.copy(EXAMPLE / name, folder)
    (folder / "requirements.txt").write_text("spacy>=3.8,<3.9\nen_core_web_md\n")

    done = docker(*MLCORE, "build", folder, "-t", "fancy_ml_service", "--tool", "docker", "--base", "localhost/base")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 model checked, 0 problems" in done.stdout
    return "fancy_ml_service"


@pytest.fixture
def started(docker: Docker, image: str) -> dict[str, Any]:
    """Run the image as strictly as it may be run, wait until it is up, and return what docker says of it."""
    name = docker("docker", "run", "--detach", "--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", image)
    assert name.returncode == 0, name.stderr
    container = name.stdout.strip()
    while "mlcore is up" not in (log := docker("docker", "logs", container).stderr):
        assert docker("docker", "inspect", "--format={{.State.Running}}", container).stdout == "true\n", log
        time.sleep(0.2)
    (said,) = json.loads(docker("docker", "inspect", container).stdout)
    # Within the network of the container, as docker itself asks; podman would leave a process behind.
    program = said["Config"]["Healthcheck"]["Test"][-1]
    asked = docker("nsenter", f"--net=/proc/{said['State']['Pid']}/ns/net", sys.executable, "-c", program)
    assert asked.returncode == 0, asked.stderr
    return dict(said)


def test_the_image_answers_the_request_of_the_guide_and_a_stop_loses_nothing(
    docker: Docker, started: dict[str, Any]
) -> None:
    docs = [TEXTS["BARBIE"], TEXTS["OPPENHEIMER"]]
    tensor = {"name": "docs", "shape": [2, 1], "datatype": "BYTES", "parameters": {"content_type": "str"}, "data": docs}
    network = f"--net=/proc/{started['State']['Pid']}/ns/net"
    clients = subprocess.Popen(
        ["nsenter", network, sys.executable, "-c", CLIENTS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert clients.stdin is not None
    assert clients.stdout is not None
    clients.stdin.write(json.dumps({"inputs": [tensor]}))
    clients.stdin.close()
    assert clients.stdout.readline() == "answered\n"

    stopped = docker("docker", "stop", "--time", "60", started["Id"])
    with clients:
        found = json.loads(clients.stdout.read())

    assert stopped.returncode == 0, stopped.stderr
    (state,) = json.loads(docker("docker", "inspect", started["Id"]).stdout)
    assert state["State"]["ExitCode"] == 0  # it was not killed
    assert found["lost"] == []
    assert {status for status, _ in found["answers"]} == {200}
    (output,) = found["answers"][0][1]["outputs"]
    assert output["datatype"] == "FP64"
    assert output["data"] == [pytest.approx(0.9397, abs=0.05)]


def test_what_docker_says_of_the_image(docker: Docker, image: str) -> None:
    (said,) = json.loads(docker("docker", "image", "inspect", image).stdout)
    config = said["Config"]

    assert config["User"] == "1000:1000"
    assert config["Entrypoint"] == ["mlcore"]
    assert config["Labels"]["org.opencontainers.image.title"] == "doc-sim-model"
    assert config["Labels"]["org.opencontainers.image.base.name"] == "localhost/base"
    assert {"8080/tcp", "8081/tcp", "8082/tcp"} <= set(config["ExposedPorts"])


def test_other_commands_run_in_the_image_as_any_user(docker: Docker, image: str) -> None:
    done = docker("docker", "run", "--rm", "--network=none", "--read-only", "--user=12345:0", image, "plugins")

    assert done.returncode == 0, done.stderr
    assert "transport-rest" in done.stdout
