"""Loads, unloads and requests at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import aiohttp
from table import Line
from traffic import said

if TYPE_CHECKING:
    from server import Served


async def race(server: Served, clients: int, rounds: int) -> list[Line]:
    """Load, unload and ask one model from many clients at once."""
    statuses: Counter[object] = Counter()
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]}]}
    model = f"{server.url}/v2/repository/models/identity"

    async def ask(number: int, client: aiohttp.ClientSession) -> None:
        for step in range(rounds):
            url = (f"{model}/load", f"{model}/unload", server.infer)[(number + step) % 3]
            async with client.post(url, json=body if url == server.infer else None) as answer:
                await answer.read()
                statuses[answer.status] += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        await asyncio.gather(*(ask(number, client) for number in range(clients)))
        async with client.post(f"{model}/load") as answer:
            loaded = answer.status
        async with client.post(server.infer, json=body) as answer:
            served_last = answer.status
    is_well = set(statuses) <= {200, 404, 409, 503} and (loaded, served_last) == (200, 200)
    return [
        Line(f"load, unload, infer: {clients} x {rounds}", said(statuses), "200, 404, 409, 503; 200 at last", is_well)
    ]
