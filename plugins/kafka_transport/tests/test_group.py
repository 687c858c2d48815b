"""Servers of one group: they share requests, and leave to each other what they do not finish."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from .topics import body, eventually, said, topics


async def shared(own, servers):
    """Write requests until every server has had one, and wait for all answers."""
    keys = []
    while not all("hello" in server.doing.asked for server in servers):
        keys += [await own.write(said("hello"), f"hello-{len(keys) + number}", model="doing") for number in range(8)]
        await own.answer(keys[-1])
    for key in keys:
        await own.answer(key)


async def test_a_server_that_stops_finishes_what_it_has_and_another_goes_on(broker, serve):
    async with topics(broker.address) as own, serve(own) as staying:
        async with serve(own, grace_period=60) as leaving:
            await shared(own, [staying, leaving])
            waiting = [f"wait {number}" for number in range(8)]
            for text in waiting:
                await own.write(said(text), text, model="doing")
            await eventually(lambda: len(staying.doing.asked + leaving.doing.asked) >= 8 + len(own.read))
            stop = asyncio.create_task(leaving.stop())
            await eventually(lambda: not leaving.control.is_accepting)
            leaving.doing.go_on.set()
            staying.doing.go_on.set()
            await stop
        for text in waiting:
            await own.answer(text)
        await own.write(body(1), "later")
        await own.answer("later")
        await own.more()

    assert sorted(record.key.decode() for record in own.read if record.key.startswith(b"wait")) == waiting
    assert not leaving.doing.cancelled


async def test_what_is_not_finished_at_a_stop_comes_again(broker, serve):
    async with topics(broker.address, partitions=1) as own:
        async with serve(own, grace_period=0, kafka_max_attempts=1000) as first:
            await own.ask(body(1), "before")
            for text in ("wait a", "fail always"):
                await own.write(said(text), text, model="doing")
            await own.ask(body(1), "behind")
            await eventually(lambda: first.doing.asked.count("fail always") > 1 and "wait a" in first.doing.asked)
        committed = await own.committed()
        async with serve(own, kafka_max_attempts=1) as second:
            second.doing.go_on.set()
            again = await own.answer("wait a")
            failed = await own.answer("fail always")
            await own.ask(body(1), "after")
            await eventually(lambda: "wait a" in second.doing.asked)

    assert committed == {0: 1}
    assert first.doing.cancelled == ["a"]
    assert (again.topic, failed.topic) == (own.output, own.dead)


async def test_what_does_not_finish_while_another_server_comes_begins_again(broker, serve):
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(topics(broker.address))
        first = await stack.enter_async_context(serve(own, kafka_rebalance_timeout=0))
        await own.write(said("wait a"), "a", model="doing")
        await eventually(lambda: first.doing.asked)

        second = await stack.enter_async_context(serve(own))
        await eventually(lambda: first.doing.cancelled)
        first.doing.go_on.set()
        second.doing.go_on.set()
        await own.answer("a")
        await shared(own, [first, second])

    assert first.doing.cancelled == ["a"]
    assert (first.doing.asked + second.doing.asked).count("wait a") == 2


async def test_no_more_is_taken_than_is_answered_at_once(broker, serve):
    async with topics(broker.address) as own, serve(own, kafka_concurrency=3) as server:
        for number in range(20):
            await own.write(said(f"wait {number}"), str(number), model="doing")
        await eventually(lambda: server.doing.at_work == 3)
        await own.write(body(1), "last")
        server.doing.go_on.set()
        for number in range(20):
            await own.answer(str(number))
        await own.answer("last")

    assert server.doing.most_at_work == 3
