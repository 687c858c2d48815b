"""Turns: who waits for whom, and who shares whose work."""

import asyncio

import pytest
from mlcore.turns import Turns
from waiting import waits_in


class Work:
    """Counts how often it is done, and lasts until it is let go."""

    def __init__(self):
        self.begun = 0
        self.stamp = "first"
        self.go_on = asyncio.Event()
        self.error = None

    def __call__(self, turns, name="a"):
        return asyncio.create_task(turns.share(name, None, lambda: self.stamp, self.do))

    def is_awaited_by(self, *tasks):
        """Say whether these have looked around, and wait for work, their own or another's."""
        return all(waits_in(task) == "share" for task in tasks)

    async def do(self):
        self.begun += 1
        await self.go_on.wait()
        if self.error:
            raise self.error


async def test_those_who_ask_at_once_share_one_piece_of_work():
    turns, work = Turns(), Work()
    asked = [work(turns) for _ in range(100)]
    work.go_on.set()

    await asyncio.gather(*asked)

    assert work.begun == 1


async def test_those_who_ask_later_share_it_while_nothing_has_changed(until):
    turns, work = Turns(), Work()
    first = work(turns)
    await until(lambda: work.begun == 1)
    second = work(turns)
    await until(lambda: work.is_awaited_by(second))
    work.go_on.set()

    await asyncio.gather(first, second)

    assert work.begun == 1


@pytest.mark.parametrize("stamp", ["second", ""])
async def test_those_who_ask_after_a_change_get_work_of_their_own_and_share_that(until, stamp):
    turns, work = Turns(), Work()
    work.stamp = stamp and "first"
    first = work(turns)
    if stamp:
        await until(lambda: work.begun == 1)
    else:
        await until(lambda: work.is_awaited_by(first) and work.begun == 1)
    work.stamp = stamp
    later = [work(turns) for _ in range(10)]
    await until(lambda: work.is_awaited_by(*later))
    assert work.begun == 1
    work.go_on.set()

    await asyncio.gather(first, *later)

    assert work.begun == 2


async def test_those_who_ask_after_the_end_get_work_of_their_own():
    turns, work = Turns(), Work()
    work.go_on.set()

    await work(turns)
    await work(turns)

    assert work.begun == 2


async def test_names_do_not_wait_for_each_other(until):
    turns, work = Turns(), Work()
    tasks = [work(turns, name) for name in "ab"]

    await until(lambda: work.begun == 2)

    work.go_on.set()
    await asyncio.gather(*tasks)


async def test_everybody_gets_the_error_of_shared_work():
    turns, work = Turns(), Work()
    work.error = ValueError("no")
    asked = [work(turns) for _ in range(3)]
    work.go_on.set()

    assert [str(outcome) for outcome in await asyncio.gather(*asked, return_exceptions=True)] == ["no"] * 3


async def test_the_work_goes_on_when_whoever_asked_is_gone(until):
    turns, work = Turns(), Work()
    work.error = ValueError("nobody takes it")
    asked = work(turns)
    await until(lambda: work.begun == 1)

    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    other = work(turns)
    await until(lambda: work.is_awaited_by(other))
    work.go_on.set()

    with pytest.raises(ValueError, match="nobody takes it"):
        await other
    assert work.begun == 1


async def test_all_work_can_be_cancelled(until):
    turns, work = Turns(), Work()
    first = work(turns)
    await until(lambda: work.begun == 1)
    work.stamp = "second"
    second = work(turns)
    await until(lambda: work.is_awaited_by(second))

    await turns.cancel()

    for task in (first, second):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert work.begun == 1
    assert not turns.of("a").locked()
