"""Workers that die."""

from __future__ import annotations

import asyncio
from functools import partial

from clients import client_of
from server import folder_of_model, served, until
from table import Line
from traffic import traffic


async def kills(count: int, per_second: int = 50) -> list[Line]:
    """Kill one of two workers again and again under traffic."""
    with folder_of_model() as folder, served(folder, "--parallel-workers", "2") as server:
        async with traffic(partial(client_of, server), per_second) as seen:
            for _ in range(count):
                victim = server.workers[0]
                victim.kill()
                await until(lambda victim=victim: victim not in server.processes and len(server.workers) == 2, 300)
                await asyncio.sleep(1)
    asked = sum(seen.outcomes.values())
    share = seen.outcomes[200] / asked
    return [
        seen.line(f"{count} workers killed at {per_second}/s", 503),
        Line("", f"{100 * share:.2f} % answered", ">= 99 %", share >= 0.99, is_exact=False),
    ]
