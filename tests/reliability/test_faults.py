"""Faults around a server that serves on: busy models, folders that change, bad networks, many scrapers."""

from __future__ import annotations

import ast
import asyncio
import json
import shutil
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from fault_proxy import FaultProxy
from many import MODEL, workers_of
from standing import Standing, control_answer

if TYPE_CHECKING:
    from mlcore.testing.process import RunningServer

SOURCES = Path(__file__).parents[2]
# Where the time of day is what is wanted: certificates and tokens have it, and so do log lines.
TIME_OF_DAY = {"tls", "access", "auth_jwt"}


def tensor(name: str, *texts: object) -> dict[str, object]:
    return {"name": name, "datatype": "BYTES", "shape": [len(texts)], "data": [str(text) for text in texts]}


def write(folder: Path, name: str = "many", **settings: object) -> Path:
    place = folder / name
    place.mkdir()
    (place / "many.py").write_text(MODEL)
    (place / "model-settings.json").write_text(json.dumps({"name": name, "implementation": "many.Many", **settings}))
    return place


def busy(server: RunningServer, seconds: float) -> threading.Thread:
    """Let a model hold its interpreter; return when it has begun, or is about to."""
    thread = threading.Thread(target=server.infer, args=("many", tensor("busy", seconds)))
    thread.start()
    return thread


def test_f13_a_model_that_holds_its_process_holds_up_no_health(served, standing) -> None:
    working = busy(served, 1.0)
    asked = 0
    while working.is_alive():
        assert served.get("/v2/health/live").status == 200
        assert served.get("/v2/health/ready").status == 200
        asked += 1
    working.join()

    assert asked > 1


def test_f27_a_folder_that_goes_while_it_is_served_or_loaded_costs_no_request(server, tmp_path) -> None:
    place = write(tmp_path)
    running = server(tmp_path, "--parallel-workers", "1")
    control_answer(running)
    stood = Standing(running)
    shutil.move(place, tmp_path.parent / "elsewhere")

    assert control_answer(running) == "control"
    with ThreadPoolExecutor(4) as clients:
        loads = [clients.submit(running.post, "/v2/repository/models/many/load") for _ in range(8)]
        shutil.move(tmp_path.parent / "elsewhere", place)
        assert {load.result().status for load in loads} <= {200, 404, 409}

    assert running.post("/v2/repository/models/many/load").status == 200
    stood.check(warnings=8)


def test_f30_others_are_served_while_a_large_model_loads(server, tmp_path) -> None:
    write(tmp_path)
    slow = write(tmp_path, "slow")
    (slow / "many.py").write_text(
        f"import os, time\nfrom pathlib import Path\nhere = Path({str(tmp_path)!r})\n"
        "if (here / 'slowly').exists():\n    (here / 'began').touch()\n"
        "    while not (here / 'go').exists():\n        time.sleep(0.01)\n" + MODEL
    )
    running = server(tmp_path, "--parallel-workers", "1")
    (tmp_path / "slowly").touch()

    with ThreadPoolExecutor(1) as clients:
        load = clients.submit(running.post, "/v2/repository/models/slow/load")
        while not (tmp_path / "began").exists():
            assert not load.done()
        assert {control_answer(running) for _ in range(50)} == {"control"}
        assert running.get("/v2/health/ready").status == 200
        (tmp_path / "go").touch()
        assert load.result().status == 200


def test_f31_no_limit_of_time_is_kept_by_the_time_of_day() -> None:
    found = []
    for source in [*SOURCES.glob("core/src/**/*.py"), *SOURCES.glob("plugins/*/src/**/*.py")]:
        if TIME_OF_DAY.isdisjoint({part.removesuffix(".py") for part in source.parts}):
            for node in ast.walk(ast.parse(source.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.time":
                    found.append(f"{source.relative_to(SOURCES)}:{node.lineno}")

    assert found == []


def test_f33_a_hundred_scrapers_at_once_disturb_no_request(served, standing) -> None:
    def scrape() -> int:
        with urllib.request.urlopen(f"{served.urls['metrics']}/metrics", timeout=60) as answer:
            assert b"mlcore" in answer.read()
            return int(answer.status)

    with ThreadPoolExecutor(100) as clients:
        scrapes = [clients.submit(scrape) for _ in range(100)]
        assert {control_answer(served) for _ in range(20)} == {"control"}

        assert {each.result() for each in scrapes} == {200}


def test_f42_a_large_result_is_answered_and_its_worker_lives(server, tmp_path) -> None:
    place = write(tmp_path)
    (place / "many.py").write_text(
        MODEL.replace(
            "    async def keep(",
            "    async def large(self, tensor, payload):\n"
            "        output = ResponseOutput(name='y', shape=[40_000_000], datatype='UINT8',\n"
            "                                data=np.ones(40_000_000, np.uint8))\n"
            "        return InferenceResponse(model_name=self.name, outputs=[output])\n\n"
            "    async def keep(",
        )
    )
    running = server(tmp_path, "--parallel-workers", "1")
    workers = workers_of(running.process.pid)

    answer = running.infer("many", tensor("large", "x"), parameters={"binary_data_output": True})

    assert answer.status == 200
    assert answer.body.endswith(b"\x01" * 40_000_000)
    assert workers_of(running.process.pid) == workers
    assert control_answer(running) == "control"


def test_f43_workers_that_start_again_and_again_do_not_get_stuck(server, tmp_path) -> None:
    write(tmp_path)
    running = server(tmp_path, "--parallel-workers", "2")

    for _ in range(5):
        victim = workers_of(running.process.pid)[0]
        victim.kill()
        victim.wait(60)
        while len(workers_of(running.process.pid)) < 2:
            assert control_answer(running) == "control"

    assert control_answer(running) == "control"


async def test_f44_over_a_bad_network_every_answer_is_that_of_its_request(served, standing) -> None:
    port = int(served.url.rpartition(":")[2])
    async with FaultProxy(port) as network, aiohttp.ClientSession() as client:
        network.delay_s, network.piece_bytes = 0.005, 50

        async def ask(number: int) -> str | None:
            body = {"id": str(number), "inputs": [tensor("same", f"text {number}")]}
            try:
                async with client.post(f"http://127.0.0.1:{network.port}/v2/models/many/infer", json=body) as answer:
                    said = await answer.json()
            except aiohttp.ClientError:
                return None
            assert (said["id"], said["outputs"][0]["data"]) == (str(number), [f"text {number}"])
            return "right"

        asked = [asyncio.create_task(ask(number)) for number in range(40)]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        network.cut()
        outcomes = await asyncio.gather(*asked)
        network.delay_s = 0.0
        assert await ask(100) == "right"

    assert "right" in outcomes
