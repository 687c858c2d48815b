"""Connections that carry one request."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from clients import client_of
from table import Line, descriptors_left
from traffic import traffic

if TYPE_CHECKING:
    from server import Served


async def churn(server: Served, seconds: float, per_second: int) -> list[Line]:
    """Use a new connection for each request."""
    await server.quiet()
    descriptors = server.descriptors()
    async with traffic(partial(client_of, server, keep_alive=False), per_second) as seen:
        await asyncio.sleep(seconds)
    left = await server.left_open(descriptors)
    return [seen.line(f"{per_second} new connections/s, {seconds:.0f} s"), descriptors_left(left)]
