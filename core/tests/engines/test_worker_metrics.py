"""What is measured of workers: how many there are, what they take, and how they end."""

import os
import signal

import pytest
from many import eventually, workers_of
from measured import seen
from mlcore import Server
from mlcore.telemetry.instruments import WORKER_CPU, WORKER_DEATHS, WORKER_MEMORY, WORKERS
from mlcore.telemetry.outbox import Outbox
from mlcore.telemetry.processes import memory_of, processor_time_of


async def test_workers_are_counted_with_what_they_take_and_how_they_end(server: Server) -> None:
    places = {("", "0"), ("", "1")}
    assert seen(server.tallies, WORKERS) == {("",): 2}
    assert seen(server.tallies, WORKER_MEMORY).keys() == seen(server.tallies, WORKER_CPU).keys() == places
    assert all(taken > 10_000_000 for taken in seen(server.tallies, WORKER_MEMORY).values())

    os.kill(workers_of()[0].pid, signal.SIGKILL)
    await eventually(lambda: seen(server.tallies, WORKER_DEATHS) == {("", "killed by SIGKILL"): 1})
    await eventually(lambda: seen(server.tallies, WORKERS) == {("",): 2})

    assert seen(server.tallies, WORKER_MEMORY).keys() == places


def test_a_process_that_is_gone_takes_nothing() -> None:
    assert memory_of(os.getpid()) > 1_000_000
    assert processor_time_of(os.getpid()) > 0
    assert memory_of(2**22 + 1) is processor_time_of(2**22 + 1) is None


async def test_a_source_that_fails_keeps_nothing_else_from_being_sent(caplog: pytest.LogCaptureFixture) -> None:
    sent = []
    outbox = Outbox(sent.append)
    outbox.add_source("broken", lambda: 1 / 0)
    outbox.add_source("whole", lambda: [1])

    outbox.flush()

    assert sent == [{"whole": [1]}]
    assert "cannot say what it has measured" in caplog.text
