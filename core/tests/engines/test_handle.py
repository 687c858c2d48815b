"""A worker as the front sees it: what becomes of a request in whatever order its end, its answer and a death come."""

import asyncio
import select
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from many import asking, eventually, said, workers_of
from mlcore import Server
from mlcore.engines.process.handle import WorkerHandle
from mlcore.engines.process.status_page import EXCHANGES
from mlcore.errors import UnavailableError


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[Server]:
    """Return a server of a model in one worker."""
    async with Server(folder, transports=[], parallel_workers=1) as running:
        yield running


def handle_of(server: Server) -> WorkerHandle:
    (pool,) = server._engine._pools.values()  # what nobody but a test asks for
    (worker,) = pool.workers
    return worker


async def test_a_request_that_is_cancelled_as_its_answer_arrives_is_over(server: Server, tmp_path: Path) -> None:
    worker = handle_of(server)
    request = asyncio.create_task(said(server, "slow", str(tmp_path)))
    await eventually((tmp_path / "began").exists)
    asyncio.get_running_loop().call_later(0, request.cancel)
    (tmp_path / "go").touch()
    select.select([worker._channel._transport.get_extra_info("socket")], [], [])  # the loop finds both at once

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(request, 60)
    assert worker.under_way == 0


async def test_a_request_that_is_cancelled_before_a_busy_worker_has_read_it_is_over(server: Server) -> None:
    worker = handle_of(server)
    busy = asyncio.create_task(said(server, "busy", "0.5"))
    await eventually(lambda: worker.under_way == 1)
    request = asyncio.create_task(said(server, "pid"))
    await eventually(lambda: worker.under_way == 2)
    request.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(request, 60)
    assert await busy == "done"
    assert worker.under_way == 0


async def test_a_stream_that_had_begun_is_not_given_to_another_worker(server: Server) -> None:
    before = workers_of()

    with pytest.raises(UnavailableError, match="has ended"):
        await anext(server.dispatcher.stream(asking("x", "die")))
    assert int(await said(server, "pid")) != before[0].pid


async def test_numbers_of_exchanges_begin_again_at_their_end(server: Server) -> None:
    handle_of(server)._last_number = 2**32 - 2

    assert len({await said(server, "pid") for _ in range(3)}) == 1


async def test_a_request_that_takes_long_keeps_its_mark_whatever_comes_after_it(server: Server, tmp_path: Path) -> None:
    worker = handle_of(server)
    slow = asyncio.create_task(said(server, "slow", str(tmp_path)))
    await eventually((tmp_path / "began").exists)
    (number,) = worker._requests
    worker._last_number = number + EXCHANGES - 1
    await said(server, "pid")
    workers_of()[0].kill()

    with pytest.raises(UnavailableError, match="has ended"):
        await slow
