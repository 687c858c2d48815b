"""Reloads under traffic."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
from clients import client_of
from table import Line, memory_grown
from traffic import said, traffic

if TYPE_CHECKING:
    from server import Served


async def reloads(server: Served, count: int, per_second: int = 50) -> list[Line]:
    """Load a model again and again under traffic."""
    async with traffic(partial(client_of, server), per_second) as seen, aiohttp.ClientSession() as client:
        memory = server.memory()
        statuses: Counter[object] = Counter()
        for _ in range(count):
            async with client.post(f"{server.url}/v2/repository/models/identity/load") as answer:
                statuses[answer.status] += 1
        grown = server.memory() - memory
    return [
        seen.line(f"{count} reloads at {per_second}/s"),
        Line("", f"loads: {said(statuses)}", "all 200", set(statuses) == {200}),
        memory_grown(grown, 10),
    ]
