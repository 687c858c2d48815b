"""Requests at a steady rate, whatever becomes of those before: a slow answer holds up nothing, and so is not hidden."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BAD_BODIES = [
    b"",
    b"null",
    b"{",
    b"[" * 1000,
    b'{"inputs": []}',
    b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1], "data": [1]}]}',
    b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "data": [1]}]}',
    b'{"inputs": [{"name": "x", "datatype": "INT64", "shape": [1], "data": [18446744073709551616]}]}',
    b'{"inputs": [{"name": "x", "datatype": "FP33", "shape": [1], "data": [1]}]}',
    b'{"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1], "data": ["\xff"]}]}',
]


class Traffic:
    """Good requests at a steady rate, each with a value of its own, and a share of others.

    Args:
        client: What they are sent with.
        url: Where to.
        per_second: How many, of all kinds.
        numbers: How many numbers a request has; one of these by chance.
        bad: The share of requests that are wrong, and must be answered 400.
        leaving: The share whose client goes away.

    Attributes:
        outcomes: How many good requests ended how: statuses and names of errors.
        unexpected: How many bad ones were not answered 400.
        wrong: How many answers hold something else than their request's.
        latencies: When each good request was sent and how long it took, in seconds.
    """

    def __init__(
        self,
        client: aiohttp.ClientSession,
        url: str,
        per_second: float,
        numbers: tuple[int, ...] = (4,),
        bad: float = 0.0,
        leaving: float = 0.0,
    ) -> None:
        self._client = client
        self._url = url
        self._every_s = 1 / per_second
        self._numbers = numbers
        self._bad = bad
        self._leaving = leaving
        self._chance = random.Random(7)  # the same in each run
        self._tasks: set[asyncio.Task[None]] = set()
        self.outcomes: Counter[Any] = Counter()
        self.unexpected: Counter[Any] = Counter()
        self.wrong = 0
        self.latencies: list[tuple[float, float]] = []

    async def run(self) -> None:
        """Send until cancelled."""
        due = time.monotonic()
        number = 0
        while True:
            number += 1
            task = asyncio.create_task(self._one(number, self._chance.random()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            due += self._every_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def settle(self) -> None:
        """Wait for the answers to all that was sent."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _one(self, number: int, chance: float) -> None:
        if chance < self._bad:
            await self._one_bad()
        elif chance < self._bad + self._leaving:
            with contextlib.suppress(TimeoutError, aiohttp.ClientError):
                await asyncio.wait_for(self._ask(number), 0.002)
        else:
            await self._one_good(number)

    async def _one_good(self, number: int) -> None:
        began = time.monotonic()
        try:
            status, values = await self._ask(number)
        except aiohttp.ClientConnectorError:
            self.outcomes["refused"] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self.outcomes[type(error).__name__] += 1
        else:
            self.outcomes[status] += 1
            if status == 200:
                self.wrong += values != {float(number)}
                self.latencies.append((began, time.monotonic() - began))

    async def _ask(self, number: int) -> tuple[int, set[float]]:
        data = [float(number)] * self._chance.choice(self._numbers)
        tensor = {"name": "x", "datatype": "FP32", "shape": [len(data)], "data": data}
        async with self._client.post(self._url, json={"inputs": [tensor]}) as answer:
            body = await answer.read()
            return answer.status, set(json.loads(body)["outputs"][0]["data"]) if answer.status == 200 else set()

    async def _one_bad(self) -> None:
        body = self._chance.choice(BAD_BODIES)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._client.post(self._url, data=body, headers=headers) as answer:
                if answer.status != 400:
                    self.unexpected[answer.status] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self.unexpected[type(error).__name__] += 1


@contextlib.asynccontextmanager
async def client_of(keep_alive: bool = True) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client without a bound on its connections."""
    connector = aiohttp.TCPConnector(force_close=not keep_alive, limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as client:
        yield client


@contextlib.asynccontextmanager
async def traffic(url: str, per_second: float, keep_alive: bool = True, **options: Any) -> AsyncIterator[Traffic]:
    """Send requests for the length of the block, and wait for their answers at its end."""
    async with client_of(keep_alive) as client:
        made = Traffic(client, url, per_second, **options)
        running = asyncio.create_task(made.run())
        try:
            while not made.outcomes[200]:
                await asyncio.sleep(0.01)
            yield made
        finally:
            running.cancel()
            await made.settle()


async def saturation(url: str, seconds: float, connections: int = 16) -> float:
    """Return how many small requests a second are answered to clients that ask again at once."""
    done = 0
    until = time.monotonic() + seconds
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [4], "data": [1.0, 2.0, 3.0, 4.0]}]}

    async def ask(client: aiohttp.ClientSession) -> None:
        nonlocal done
        while time.monotonic() < until:
            async with client.post(url, json=body) as answer:
                await answer.read()
                done += 1

    async with client_of() as client:
        await asyncio.gather(*(ask(client) for _ in range(connections)))
    return done / seconds


def percentile(values: list[float], share: float) -> float:
    """Return the value that so large a share of all is not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
