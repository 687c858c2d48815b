"""Large tensors."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import aiohttp
from table import MIB, Line

if TYPE_CHECKING:
    from server import Served


async def big(server: Served, count: int, mebibytes: int = 60) -> list[Line]:
    """Send large binary tensors, two at a time."""
    numbers = mebibytes * MIB // 4
    tensor = {"name": "x", "datatype": "FP32", "shape": [numbers], "parameters": {"binary_data_size": 4 * numbers}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    payload = os.urandom(4 * numbers)
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    well = peak = 0
    memory = server.memory()

    async def ask(client: aiohttp.ClientSession) -> None:
        nonlocal well, peak
        for _ in range(count // 2):
            async with client.post(server.infer, data=head + payload, headers=headers) as answer:
                body = await answer.read()
                peak = max(peak, server.memory() - memory)
                well += answer.status == 200 and body.endswith(payload)

    async with aiohttp.ClientSession() as client:
        await asyncio.gather(ask(client), ask(client))
    times = peak / (2 * len(payload))
    return [
        Line(f"{count} tensors of {mebibytes} MiB", f"{well} right", "all", well == count),
        Line("", f"{times:.1f} x their size at most", "<= 4 x", times <= 4, is_exact=False),
    ]
