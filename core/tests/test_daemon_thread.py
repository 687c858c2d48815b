"""Work in a thread of its own: what it ends with comes back, unless nobody waits any more."""

from __future__ import annotations

import asyncio
import threading

import pytest
from mlcore.daemon_thread import in_daemon_thread


async def test_what_the_work_returns_comes_back() -> None:
    assert await in_daemon_thread(lambda: threading.current_thread().name, "aside") == "aside"


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
async def test_what_the_work_raises_comes_back(kind: type[BaseException]) -> None:
    def fail() -> None:
        raise kind("no")

    with pytest.raises(kind, match="no"):
        await in_daemon_thread(fail, "aside")


async def test_work_that_is_given_up_ends_unseen() -> None:
    let_go = threading.Event()
    given_up = in_daemon_thread(lambda: let_go.wait(60), "given up")
    (thread,) = [each for each in threading.enumerate() if each.name == "given up"]
    given_up.cancel()

    let_go.set()
    thread.join(60)
    await asyncio.sleep(0)  # what it told is looked at

    assert given_up.cancelled()


def test_work_that_outlives_its_loop_ends_unseen() -> None:
    let_go = threading.Event()

    async def begin() -> None:
        in_daemon_thread(lambda: let_go.wait(60), "outlives")

    asyncio.run(begin())
    (thread,) = [each for each in threading.enumerate() if each.name == "outlives"]
    let_go.set()
    thread.join(60)

    assert not thread.is_alive()
