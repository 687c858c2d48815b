"""A repository of many models."""

from __future__ import annotations

import time

import aiohttp
from server import folder_of_model, served, write_model
from table import MIB, Line, took


async def many_models(count: int) -> list[Line]:
    """Serve many models."""
    with folder_of_model() as folder:
        with served(folder) as server:
            alone = server.processes[0].memory_info().rss
        for number in range(count - 1):
            write_model(folder, f"model-{number}")
        began = time.monotonic()
        with served(folder) as server:
            up_s = time.monotonic() - began
            each = (server.processes[0].memory_info().rss - alone) / (count - 1)
            async with aiohttp.ClientSession() as client:
                began = time.monotonic()
                async with client.post(f"{server.url}/v2/repository/index") as answer:
                    ready = sum(item["state"] == "READY" for item in await answer.json())
                index_s = time.monotonic() - began
    return [
        Line(f"{count} models", f"{ready} ready", "all", ready == count),
        took("up after", up_s, 15),
        took("index after", index_s, 0.05),
        Line("", f"{each / 1024:,.0f} KiB of the front each", "<= 1 MiB", each <= MIB, is_exact=False),
    ]
