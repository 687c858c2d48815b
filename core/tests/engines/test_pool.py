"""Pools: which models live in which workers, and what happens when a worker ends or hangs."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from many import asking, eventually, said, workers_of
from mlcore import Server
from mlcore.engine import Answer
from mlcore.errors import UnavailableError
from mlcore.testing import response_of


def models_of(server: Server) -> dict[str, list[int]]:
    """Return the processes that have each model."""
    served = server.control._registry.served()  # what nobody but a test asks for
    return {key[0]: [worker.pid for worker in _placement(model)] for key, model in served.items()}


def _placement(served: object) -> list:
    replicas = served.model.replicas  # type: ignore[attr-defined]
    return next(cell.cell_contents.workers for cell in replicas.__closure__)


async def words(answers: AsyncGenerator[Answer, None]) -> list[str]:
    return [response_of(answer).outputs[0].data.root[0] async for answer in answers]


# --- placement ---


async def test_a_pool_of_its_own_has_its_own_workers(model, repository: Path) -> None:
    model("a")
    model("b", parameters={"inference_pool_gid": "g"})
    model("c", parameters={"inference_pool_gid": "g"}, parallel_workers=2)

    async with Server(repository, transports=[], parallel_workers=1) as server:
        await eventually(lambda: len(models_of(server)["b"]) == 2)
        found = models_of(server)

        assert len(workers_of()) == 3
        assert len(found["a"]) == 1
        assert sorted(found["b"]) == sorted(found["c"])
        assert not set(found["a"]) & set(found["b"])


async def test_unloading_the_last_model_of_a_pool_ends_it_and_no_other(model, repository: Path) -> None:
    model("a")
    model("b", parameters={"autogenerate_inference_pool_gid": True})
    model("c", parallel_workers=1)

    async with Server(repository, transports=[], parallel_workers=1) as server:
        assert len({await said(server, "pid", model=name) for name in "abc"}) == 3
        await server.control.unload("b")
        await server.control.unload("c")
        left = [worker.pid for worker in workers_of()]

        assert left == [int(await said(server, "pid", model="a"))]


async def test_a_model_may_stay_in_the_server_itself(model, repository: Path) -> None:
    model("a", parallel_workers=0)

    async with Server(repository, transports=[], parallel_workers=1) as server:
        assert int(await said(server, "pid", model="a")) == os.getpid()


async def test_replicas_are_spread_over_the_workers_with_the_fewest_models(model, repository: Path) -> None:
    for name in "abcd":
        model(name, replicas=1)
    model("e", replicas=9)

    async with Server(repository, transports=[], parallel_workers=2) as server:
        await eventually(lambda: len(models_of(server)["e"]) == 2)
        found = models_of(server)

        pids = [pid for name in "abcd" for pid in found[name]]

        assert sorted(pids.count(pid) for pid in set(pids)) == [2, 2]


async def test_replicas_come_back_where_there_is_room(model, repository: Path) -> None:
    model("a", replicas=1)
    model("b", replicas=1)

    async with Server(repository, transports=[], parallel_workers=2) as server:
        before = models_of(server)
        os.kill(before["a"][0], signal.SIGKILL)
        await eventually(lambda: models_of(server)["a"] not in ([], before["a"]))

        assert models_of(server)["b"] == before["b"]
        assert await said(server, "pid", model="a") != await said(server, "pid", model="b")


# --- workers that end ---


async def test_f02_the_death_of_all_workers_at_once_costs_what_they_had_begun(server: Server, tmp_path: Path) -> None:
    places = [tmp_path / str(number) for number in range(2)]
    for place in places:
        place.mkdir()
    slow = [asyncio.create_task(said(server, "slow", str(place))) for place in places]
    await eventually(lambda: all((place / "began").exists() for place in places))
    before = workers_of()

    for worker in before:
        worker.kill()
    outcomes = await asyncio.gather(*slow, return_exceptions=True)

    assert all(isinstance(outcome, UnavailableError) and outcome.retry_after_s for outcome in outcomes)
    assert int(await said(server, "pid")) not in [worker.pid for worker in before]
    await eventually(lambda: len(workers_of()) == 2 and server.control.is_ready)


async def test_the_log_names_the_last_request_and_the_cause(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UnavailableError):
        await said(server, "die")

    (record,) = [record for record in caplog.records if "has ended" in record.message]
    assert record.last_request == "id-die"
    assert record.cause == "exit code 3"
    assert record.at_work == ["many"]


async def test_the_death_of_a_worker_ends_its_streams(server: Server) -> None:
    answers = server.dispatcher.stream(asking("x", "one die"))

    assert response_of(await anext(answers)).outputs[0].data.root == ["one"]
    with pytest.raises(UnavailableError, match="has ended"):
        await anext(answers)


async def test_f05_a_worker_that_is_stopped_is_replaced(folder: Path) -> None:
    async with Server(folder, transports=[], parallel_workers=1, worker_timeout=2) as server:
        (worker,) = workers_of()
        worker.suspend()
        pid = await said(server, "pid")
        await eventually(lambda: not worker.is_running())

        assert int(pid) != worker.pid


async def test_a_worker_whose_loop_is_busy_is_not_taken_for_hung(folder: Path) -> None:
    async with Server(folder, transports=[], parallel_workers=1, worker_timeout=2) as server:
        before = await said(server, "pid")

        assert await said(server, "busy", "4.5") == "done"
        assert await said(server, "pid") == before


async def test_f04_a_model_that_ends_its_workers_again_and_again_rests_and_says_why(model, repository: Path) -> None:
    model("bad")
    model("good")

    async with Server(repository, transports=[], parallel_workers=1) as server:
        for _ in range(5):
            with pytest.raises(UnavailableError, match="has ended"):
                await said(server, "die", model="bad")
        with pytest.raises(UnavailableError, match=r"5 times in a row.*exit code 3") as refused:
            await said(server, "pid", model="bad")
        (bad, good) = server.control.index()
        await eventually(lambda: server.control.model_is_ready("good"), 60)

        assert refused.value.retry_after_s > 20
        assert bad.state == "UNAVAILABLE"
        assert "5 times in a row" in bad.reason
        assert good.name == "good"
        assert await said(server, "pid", model="good")


async def test_f03_a_model_that_ends_each_new_worker_while_it_loads_is_left_out(
    model, repository: Path, tmp_path: Path
) -> None:
    deadly = tmp_path / "deadly"
    model("a-bad", parameters={"extra": {"die_if": str(deadly)}})
    model("good")

    async with Server(repository, transports=[], parallel_workers=1) as server:
        deadly.touch()
        workers_of()[0].kill()
        await eventually(lambda: "in a row" in server.control.index()[0].reason)
        await eventually(lambda: server.control.model_is_ready("good"))

        assert await said(server, "pid", model="good")
        assert "exit code 4" in server.control.index()[0].reason


async def test_a_model_that_cannot_be_loaded_again_says_why(folder: Path, model) -> None:
    async with Server(folder, transports=[], parallel_workers=1) as server:
        (folder / "many.py").write_text("raise RuntimeError('broken meanwhile')")
        workers_of()[0].kill()
        await eventually(lambda: "broken meanwhile" in server.control.index()[0].reason)

        with pytest.raises(UnavailableError, match="broken meanwhile"):
            await said(server, "pid")


async def test_requests_for_other_models_wait_while_a_load_ends_the_only_worker(model, repository: Path) -> None:
    model("good")

    async with Server(repository, transports=[], parallel_workers=1) as server:
        model("bad", parameters={"extra": {"load": "die"}})
        loads = asyncio.create_task(server.control.load("bad"))
        pids = [int(await said(server, "pid", model="good")) for _ in range(200)]
        with pytest.raises(Exception, match="exit code 4"):
            await loads
        pids.append(int(await said(server, "pid", model="good")))

        assert len(pids) == 201


# --- streams ---


async def test_a_worker_is_never_far_ahead_of_whoever_takes_its_stream(server: Server, tmp_path: Path) -> None:
    place = tmp_path / "count"
    answers = server.dispatcher.stream(asking("x", f"count {place}"))
    for _ in range(100):
        await anext(answers)
    made = 0
    while made != (made := place.stat().st_size):
        await asyncio.sleep(0.2)  # it must not go on: there is no event for what does not happen
    await answers.aclose()

    assert 100 <= made <= 100 + 17


async def test_f16_a_stream_that_nobody_takes_any_more_is_closed_in_the_model(server: Server, tmp_path: Path) -> None:
    place = tmp_path / "count"
    answers = server.dispatcher.stream(asking("x", f"count {place}"))
    await anext(answers)
    await answers.aclose()

    assert await words(server.dispatcher.stream(asking("x", "still here"))) == ["still", "here"]


# --- nothing is left behind ---


async def test_nothing_is_left_of_workers_that_were_killed(server: Server) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        workers = workers_of()
        workers[0].kill()
        await eventually(lambda gone=workers[0].pid: gone not in [worker.pid for worker in workers_of()])
        await eventually(lambda: len(workers_of()) == 2 and server.control.is_ready)

    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before)
