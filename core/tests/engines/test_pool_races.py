"""Pools: workers that end, and models that go, while others are being loaded."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop
from many import MODEL, eventually, said, workers_of
from mlcore import Server
from mlcore.engines.process import breaker, pool
from mlcore.errors import ModelLoadError, UnavailableError

WAITING = (
    MODEL
    + '''

class Waiting(Many):
    """Leaves a note of each load, and does what the notes say."""

    def load(self):
        place = Path(self.settings.parameters.extra["place"])
        number = len(list(place.glob("load-*")))
        (place / f"load-{number}-{os.getpid()}").touch()
        while (place / f"wait-{number}").exists():
            time.sleep(0.01)
        if (place / f"die-{number}").exists():
            os._exit(4)
        if (place / f"raise-{number}").exists():
            raise RuntimeError("not now")
'''
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return the folder for the notes of loads."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


@pytest.fixture
def waiting(model, place: Path) -> Callable[..., None]:
    """Return a function that writes the folder of a model whose loads do what notes say."""

    def write(name: str, **settings) -> None:
        parameters = {"extra": {"place": str(place)}, **settings.pop("parameters", {})}
        (model(name, "many.Waiting", parameters=parameters, **settings) / "many.py").write_text(WAITING)

    return write


def loads(place: Path) -> list[int]:
    """Return the processes that have begun to load, in their order."""
    return [int(note.name.split("-")[2]) for note in sorted(place.glob("load-*"))]


async def test_a_worker_that_ends_while_the_next_one_loads_is_sent_nothing(
    model, waiting, place: Path, repository: Path
) -> None:
    model("a")
    async with Server(repository, transports=[], parallel_workers=2) as server:
        waiting("b")
        (place / "wait-1").touch()
        load = asyncio.create_task(server.control.load("b"))
        await eventually(lambda: len(loads(place)) == 2)
        os.kill(loads(place)[0], signal.SIGKILL)
        await eventually(lambda: loads(place)[0] not in [worker.pid for worker in workers_of()])
        (place / "wait-1").unlink()
        await load

        assert len([await said(server, "pid", model="b") for _ in range(10)]) == 10


async def test_a_pool_stays_while_a_model_waits_for_its_next_worker(
    model, waiting, place: Path, repository: Path
) -> None:
    model("a", parameters={"inference_pool_gid": "g"})
    async with Server(repository, transports=[], parallel_workers=1) as server:
        waiting("b", parameters={"inference_pool_gid": "g"})
        (place / "die-0").touch()
        (place / "wait-1").touch()
        load = asyncio.create_task(server.control.load("b"))
        await eventually(lambda: len(loads(place)) == 2)
        await server.control.unload("a")
        (place / "wait-1").unlink()
        await asyncio.wait_for(load, 60)

        assert await said(server, "pid", model="b")


async def test_a_model_that_could_not_be_loaded_again_is_tried_later(waiting, place: Path, repository: Path) -> None:
    waiting("b")
    async with Server(repository, transports=[], parallel_workers=2) as server:
        await eventually(lambda: len(loads(place)) == 2)
        for number in range(2, 4):
            (place / f"raise-{number}").touch()
        for worker in workers_of():
            worker.kill()
        await eventually(lambda: len(loads(place)) >= 3)
        with pytest.raises(UnavailableError, match="not now"):
            await said(server, "pid", model="b")
        await eventually(lambda: server.control.is_ready)

        assert await said(server, "pid", model="b")
        (own,) = server._engine._pools.values()  # what nobody but a test asks for
        await eventually(lambda: all(worker.models and not worker.loading for worker in own.workers))


def test_a_model_that_has_rested_is_tried_again(model, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model("a")
    monkeypatch.setattr(breaker, "_AT_WORK", 1)
    monkeypatch.setattr(breaker, "_ROW_S", 0.0)
    monkeypatch.setattr(breaker, "_FIRST_REST_S", 0.0105)

    async def rest() -> None:
        async with Server(repository, transports=[], parallel_workers=1) as server:
            (own,) = server._engine._pools.values()
            (placement,) = own._placements.values()
            for _ in range(20):
                placement.workers, workers = [], placement.workers
                for worker in workers:
                    worker.models.discard(placement.number)
                placement.breaker.record("a test", at_load=False)
                await asyncio.wait_for(own._restore_rested(placement), 60)
                assert placement.workers

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(rest())


BLOCKING = MODEL.replace("    def load(self):", "    async def load(self):\n        time.sleep(1000)\n")


async def test_f10_a_load_that_blocks_its_worker_for_too_long_ends_it(
    model, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_LISTEN_S", 3)
    model("a")
    async with Server(repository, transports=[], parallel_workers=1) as server:
        (model("b", load_timeout=0.5) / "many.py").write_text(BLOCKING)
        with pytest.raises(ModelLoadError, match="blocked its event loop for longer than"):
            await server.control.load("b")

        assert await said(server, "pid", model="a")


POISONED = (
    MODEL
    + """

from mlcore.hosted_model import HostedModel

decoded = HostedModel._decoded


def deadly(hosted, call):
    if b"poison" in bytes(call.body):
        os._exit(5)
    return decoded(hosted, call)


HostedModel._decoded = deadly
"""
)


async def test_a_request_that_ends_workers_before_its_model_begins_gets_no_more_than_three(
    model, repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (model("many") / "many.py").write_text(POISONED)
    async with Server(repository, transports=[], parallel_workers=2) as server:
        with pytest.raises(UnavailableError, match="has ended"):
            await said(server, "note", "poison")

    assert sum("has ended" in record.message for record in caplog.records) == 3
