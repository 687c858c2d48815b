"""Servers that follow each other on one port."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

from clients import client_of
from server import folder_of_model, start
from table import Line
from traffic import said, traffic


async def restarts(count: int, per_second: int = 50) -> list[Line]:
    """Replace the server by a successor on the same port, again and again, under traffic on new connections."""
    with folder_of_model({"reuse_port": True, "drain_delay": 0.5}) as folder:
        current = start(folder)
        codes: Counter[object] = Counter()
        try:
            async with traffic(partial(client_of, current, keep_alive=False), per_second) as seen:
                for _ in range(count):
                    successor = await asyncio.to_thread(start, folder, "--http-port", str(current.port))
                    codes[await asyncio.to_thread(current.end)] += 1
                    current = successor
        finally:
            current.end()
    return [
        seen.line(f"{count} restarts at {per_second}/s"),
        Line("", f"exit codes {said(codes)}", "0", set(codes) == {0}),
    ]
