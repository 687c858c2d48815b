"""Streams, and what becomes of them at a stop."""

from __future__ import annotations

import asyncio
import json

import aiohttp
from server import folder_of_model, served
from table import Line


async def streams(clients: int, tokens: int) -> list[Line]:
    """Read many streams at once; then stop the server while as many are read that would go on for ever."""
    with folder_of_model({"grace_period": 1}) as folder, served(folder) as server:
        url = f"{server.url}/v2/models/identity/infer_stream"

        async def read(client: aiohttp.ClientSession, count: int) -> tuple[list[str], str]:
            """Return the tokens, and the last kind of event."""
            body = {"inputs": [{"name": "count", "datatype": "INT64", "shape": [1], "data": [count]}]}
            found, kind = [], ""
            async with client.post(url, json=body) as answer:
                async for line in answer.content:
                    if line.startswith(b"event: "):
                        kind = line.decode().removeprefix("event: ").strip()
                    elif line.startswith(b"data: ") and not kind and b'"outputs"' in line:
                        found.append(json.loads(line.removeprefix(b"data: "))["outputs"][0]["data"][0])
            return found, kind

        everybody = aiohttp.TCPConnector(limit=0)
        patience = aiohttp.ClientTimeout(600)
        async with aiohttp.ClientSession(connector=everybody, timeout=patience) as client:
            expected = [str(number) for number in range(tokens)]
            readers = [read(client, tokens) for _ in range(clients)]
            whole = sum(found == expected for found, _ in await asyncio.gather(*readers))

            endless = [asyncio.create_task(read(client, 10**9)) for _ in range(clients)]
            await asyncio.sleep(1)
            server.ask_to_end()
            ends = await asyncio.gather(*endless, return_exceptions=True)
    told = sum(
        not isinstance(end, BaseException) and end[1] == "error" and end[0] == [str(n) for n in range(len(end[0]))]
        for end in ends
    )
    return [
        Line(f"{clients} streams of {tokens:,} tokens", f"{whole} whole", "all, in order", whole == clients),
        Line("as many at a stop", f"{told} told at their end", "all, in order until then", told == clients),
    ]
