"""What a worker tells the front: gathered, bounded, from any thread; and what the front does with it."""

import asyncio
import threading

from mlcore.telemetry.arrivals import Arrivals
from mlcore.telemetry.outbox import Outbox


async def test_what_is_put_in_is_sent_together(until):
    sent = []
    outbox = Outbox(sent.append)
    outbox.put("a", 1)
    thread = threading.Thread(target=outbox.put, args=("b", 2))
    thread.start()
    thread.join()
    outbox.put("a", 3)

    await until(lambda: sent)
    assert sent == [{"a": [1, 3], "b": [2]}]


async def test_a_source_is_asked_whenever_something_is_sent(until):
    sent = []
    values = [1]
    outbox = Outbox(sent.append)
    outbox.add_source("a", lambda: [values.pop()] if values else [])
    outbox.wake()

    await until(lambda: sent)
    outbox.flush()
    assert sent == [{"a": [1]}]


async def test_what_nobody_takes_does_not_grow():
    sent = []
    outbox = Outbox(sent.append)
    for number in range(10_000):
        outbox.put("a", number)
    outbox.flush()

    assert sent[0]["a"] == list(range(2048))


def test_what_comes_after_the_end_is_dropped():
    async def made():
        return Outbox(print)

    outbox = asyncio.run(made())

    outbox.put("a", 1)


def test_what_cannot_be_taken_is_a_line_of_the_log(caplog):
    def refuse(pid, items):
        raise ValueError("not mine")

    arrivals, taken = Arrivals(), []
    arrivals.add("a", refuse)
    arrivals.add("b", lambda pid, items: taken.extend(items))
    arrivals.take(7, {"a": [1], "b": [2]})

    (record,) = caplog.records
    assert (record.kind, record.pid) == ("a", 7)
    assert taken == [2]


def test_where_nobody_collects_workers_are_asked_for_nothing_and_what_comes_is_dropped():
    arrivals = Arrivals()

    assert "traces" not in arrivals.kinds or "logs" not in arrivals.kinds
    arrivals.take(1, {"unknown": [1]})
