"""Deploys and accidents under traffic: no request is lost that need not be, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
import psutil
import pytest
from many import workers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from mlcore.testing.process import RunningServer


def tensor(name: str, *texts: object) -> dict[str, Any]:
    return {"name": name, "datatype": "BYTES", "shape": [len(texts)], "data": [str(text) for text in texts]}


class Traffic:
    """Requests at a steady rate, whatever becomes of those before."""

    def __init__(self, server: RunningServer, per_second: int, client: aiohttp.ClientSession) -> None:
        self._url = f"{server.url}/v2/models/many/infer"
        self._every_s = 1 / per_second
        self._client = client
        self._tasks: list[asyncio.Task[None]] = []
        self.outcomes: Counter[Any] = Counter()
        self.wrong = 0

    async def run(self) -> None:
        """Send until cancelled."""
        number = 0
        while True:
            number += 1
            self._tasks.append(asyncio.create_task(self._one(f"text {number}")))
            await asyncio.sleep(self._every_s)

    async def _one(self, text: str) -> None:
        try:
            async with self._client.post(self._url, json={"inputs": [tensor("same", text)]}) as answer:
                body = await answer.json()
                self.outcomes[answer.status] += 1
                self.wrong += answer.status == 200 and body["outputs"][0]["data"] != [text]
        except aiohttp.ClientConnectorError:
            self.outcomes["refused"] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self.outcomes[type(error).__name__] += 1

    async def settle(self) -> None:
        """Wait for the answers to all that was sent."""
        await asyncio.gather(*self._tasks)


@contextlib.asynccontextmanager
async def traffic(server: RunningServer, per_second: int = 50, keep_alive: bool = True) -> AsyncIterator[Traffic]:
    connector = aiohttp.TCPConnector(force_close=not keep_alive, limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as client:
        made = Traffic(server, per_second, client)
        running = asyncio.create_task(made.run())
        try:
            while not made.outcomes[200]:
                await asyncio.sleep(0.01)
            yield made
        finally:
            running.cancel()
            await made.settle()


async def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def post(server: RunningServer, path: str) -> int:
    return (await asyncio.to_thread(server.post, path)).status


def shared_files() -> set[str]:
    return set(os.listdir("/dev/shm"))  # where segments with names would be


# --- deploys ---


@pytest.mark.parametrize("workers", ["0", "1", "2"])
async def test_f28_two_hundred_reloads_under_traffic_fail_no_request(model, start, workers) -> None:
    model()
    server = start("--parallel-workers", workers)

    async with traffic(server) as seen:
        statuses = [await post(server, "/v2/repository/models/many/load") for _ in range(200)]

    assert set(statuses) == {200}
    assert set(seen.outcomes) == {200}
    assert seen.wrong == 0


@pytest.mark.parametrize(("workers", "keep_alive"), [("0", False), ("1", False), ("2", True)])
async def test_f19_a_stop_under_traffic_fails_no_request(model, start, repository: Path, workers, keep_alive) -> None:
    model()
    (repository / "settings.json").write_text('{"drain_delay": 0.5}')
    server = start("--parallel-workers", workers)
    children = psutil.Process(server.process.pid).children()

    async with traffic(server, keep_alive=keep_alive) as seen:
        server.process.send_signal(signal.SIGTERM)
        await until(lambda: seen.outcomes["refused"] > 0)

    assert set(seen.outcomes) == {200, "refused"}
    assert seen.wrong == 0
    assert server.process.wait(60) == 0
    assert not psutil.wait_procs(children, timeout=60)[1]


async def test_f29_an_unload_lets_requests_finish_and_refuses_later_ones(model, start, tmp_path: Path) -> None:
    model()
    server = start()
    slow = asyncio.create_task(asyncio.to_thread(server.infer, "many", tensor("slow", tmp_path)))
    await until((tmp_path / "began").exists)
    unloading = asyncio.create_task(post(server, "/v2/repository/models/many/unload"))
    while (await asyncio.to_thread(server.infer, "many", tensor("pid"))).status != 404:
        await asyncio.sleep(0.01)
    assert not unloading.done()
    (tmp_path / "go").touch()

    assert ((await slow).status, await unloading) == (200, 200)


# --- accidents ---


async def test_f01_a_worker_that_is_killed_costs_no_more_than_it_had_begun(model, start) -> None:
    model(max_queue_size=100_000)  # on a busy machine the next worker takes its time
    server = start("--parallel-workers", "2")
    kills = 3

    async with traffic(server, 100) as seen:
        for _ in range(kills):
            workers_of(server.process.pid)[0].kill()
            await until(lambda: len(workers_of(server.process.pid)) == 1)
            await until(lambda: len(workers_of(server.process.pid)) == 2)
            before = seen.outcomes[200]
            await until(lambda before=before: seen.outcomes[200] > before + 20)

    assert set(seen.outcomes) <= {200, 503}
    assert seen.outcomes[503] <= 10 * kills  # what came at once to a busy machine; a worker is away for longer
    assert seen.wrong == 0


async def test_f01_the_death_of_the_only_worker_makes_requests_wait(model, start) -> None:
    model(max_queue_size=100_000)  # on a busy machine the next worker takes its time
    server = start("--parallel-workers", "1")

    async with traffic(server) as seen:
        (worker,) = workers_of(server.process.pid)
        worker.kill()
        await until(lambda: [found.pid for found in workers_of(server.process.pid)] not in ([], [worker.pid]))
        await until(lambda: seen.outcomes[200] > 100)

    assert set(seen.outcomes) <= {200, 503}
    assert seen.outcomes[503] <= 10
    assert seen.wrong == 0


async def test_f01_a_worker_that_dies_mid_request_is_a_503_with_its_cause_in_the_log(model, start) -> None:
    model()
    server = start()

    answer = await asyncio.to_thread(server.infer, "many", tensor("die"), id="the-last-one")
    await until(lambda: server.infer("many", tensor("pid")).status == 200)
    server.stop()

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    (line,) = [line for line in server.log if "a worker has ended" in line]
    assert re.search(r"cause='exit code 3'.*last_request=the-last-one", line)


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
async def test_f07_nothing_is_left_of_a_server_however_it_ends(model, start, tmp_path: Path, kill) -> None:
    model()
    before = shared_files()
    server = start("--parallel-workers", "2")
    slow = asyncio.create_task(asyncio.to_thread(_quietly, server, tensor("slow", tmp_path)))
    large = [tensor("keep", "x" * 1_000_000) for _ in range(3)]
    for one in large:
        assert (await asyncio.to_thread(server.infer, "many", one)).status == 200
    await until((tmp_path / "began").exists)
    workers = workers_of(server.process.pid)
    port = int(server.url.rpartition(":")[2])
    if kill is signal.SIGTERM:
        (tmp_path / "go").touch()

    server.process.send_signal(kill)
    server.process.wait(60)
    await slow

    assert len(workers) == 2
    assert not psutil.wait_procs(workers, timeout=60)[1]
    assert shared_files() == before
    again = start("--http-port", str(port))  # the port is free
    assert again.infer("many", tensor("pid")).status == 200


def _quietly(server: RunningServer, one: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        server.infer("many", one)


async def test_traffic_leaves_no_descriptor_task_or_memory_area_behind(model, start) -> None:
    model()
    server = start("--parallel-workers", "1")
    process = psutil.Process(server.process.pid)
    large = tensor("same", "x" * 500_000)

    async def many_requests() -> None:
        answers = [await asyncio.to_thread(server.infer, "many", large) for _ in range(100)]
        assert {answer.status for answer in answers} == {200}

    await many_requests()
    before = process.num_fds(), workers_of(process.pid)[0].num_fds()
    await many_requests()

    def are_few(most: tuple[int, int]) -> bool:
        return process.num_fds() <= most[0] and workers_of(process.pid)[0].num_fds() <= most[1]

    await until(lambda: are_few((before[0] + 20, before[1] + 20)))
