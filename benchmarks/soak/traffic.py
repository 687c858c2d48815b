"""Requests at a steady rate, whatever becomes of those before: a slow answer holds up nothing, and so is not hidden."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc
from clients import GrpcClient, RestClient
from table import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Client = RestClient | GrpcClient
ClientFor = Callable[[], AbstractAsyncContextManager[Client]]


class Traffic:
    """Good requests at a steady rate, each with a value of its own, and a share of others.

    Args:
        client: What they are sent with.
        per_second: How many, of all kinds.
        numbers: How many numbers a request has; one of these by chance.
        bad: The share of requests that are wrong, and must be answered 400.
        leaving: The share whose client goes away.

    Attributes:
        outcomes: How many good requests ended how: statuses and names of errors.
        unexpected: How many bad ones were not answered 400.
        wrong: How many answers hold something else than their request's.
        latencies: When each good request that was answered 200 was sent, and how long it took, in seconds.
        refusals: How long each took that was answered otherwise, in seconds.
    """

    def __init__(
        self,
        client: Client,
        per_second: float,
        numbers: tuple[int, ...] = (4,),
        bad: float = 0.0,
        leaving: float = 0.0,
    ) -> None:
        self._client = client
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
        self.refusals: list[float] = []

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
            await asyncio.gather(*self._tasks)

    def took(self) -> list[float]:
        """Return how long the good requests took."""
        return [took_s for _, took_s in self.latencies]

    def line(self, scenario: str, *allowed: int) -> Line:
        """Return the line that says how the good requests ended; 200 is allowed, and these."""
        figure = said(self.outcomes) + (f"; {self.wrong} wrong" if self.wrong else "")
        bar = f"{' or '.join(map(str, (200, *allowed)))}, none wrong"
        is_well = set(self.outcomes) <= {200, *allowed} and self.outcomes[200] > 0 and not self.wrong
        return Line(scenario, figure, bar, is_well)

    async def _one(self, number: int, chance: float) -> None:
        if chance < self._bad:
            if (status := await self._ended(self._client.ask_badly(number))) != 400:
                self.unexpected[status] += 1
        elif chance < self._bad + self._leaving:
            with contextlib.suppress(TimeoutError, aiohttp.ClientError, grpc.RpcError):
                await asyncio.wait_for(self._client.ask([float(number)]), 0.002)
        else:
            self.outcomes[await self._ended(self._one_good(number))] += 1

    async def _one_good(self, number: int) -> int:
        expected = [float(number % 2**20)] * self._chance.choice(self._numbers)
        began = time.monotonic()
        status, values = await self._client.ask(expected)
        took_s = time.monotonic() - began
        if status == 200:
            self.wrong += values != expected
            self.latencies.append((began, took_s))
        else:
            self.refusals.append(took_s)
        return status

    async def _ended(self, asking: Any) -> int | str:
        """Return how a request ended: its status, or the name of what went wrong with the connection."""
        try:
            status: int = await asking
        except aiohttp.ClientConnectorError:
            return "refused"
        except grpc.RpcError as error:
            return str(error.code().name)
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error).__name__
        return status


@contextlib.asynccontextmanager
async def traffic(client_for: ClientFor, per_second: float, **options: Any) -> AsyncIterator[Traffic]:
    """Send requests for the length of the block, from the first that is answered on, and wait for all at its end."""
    async with client_for() as client:
        made = Traffic(client, per_second, **options)
        running = asyncio.create_task(made.run())
        try:
            while not made.outcomes[200]:
                await asyncio.sleep(0.01)
            yield made
        finally:
            running.cancel()
            await made.settle()


async def saturation(client_for: ClientFor, seconds: float, connections: int = 16) -> float:
    """Return how many small requests a second are answered to clients that ask again at once."""
    done = 0
    until = time.monotonic() + seconds

    async def ask(client: Client) -> None:
        nonlocal done
        while time.monotonic() < until:
            await client.ask([1.0, 2.0, 3.0, 4.0])
            done += 1

    async with client_for() as client:
        await asyncio.gather(*(ask(client) for _ in range(connections)))
    return done / seconds


def said(outcomes: Counter[Any]) -> str:
    """Return how many of which outcome, most first."""
    return ", ".join(f"{count:,} x {outcome}" for outcome, count in outcomes.most_common())


def percentile(values: list[float], share: float) -> float:
    """Return the value that so large a share of all is not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
