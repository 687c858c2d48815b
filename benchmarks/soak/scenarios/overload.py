"""More requests than the server can answer."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from clients import client_of
from table import Line, took
from traffic import percentile, saturation, traffic

if TYPE_CHECKING:
    from server import Served


async def overload(server: Served, seconds: float) -> list[Line]:
    """Ask three times what it can do, of a model that works on one request at a time."""
    client_for = partial(client_of, server, "slow")
    peak = await saturation(client_for, min(2.0, seconds))
    async with traffic(client_for, 3 * peak) as seen:
        await asyncio.sleep(seconds)
    goodput = seen.outcomes[200] / seconds
    recovered = await saturation(client_for, min(2.0, seconds))
    return [
        seen.line(f"overload {3 * peak:,.0f}/s, {seconds:.0f} s", 503),
        took("p99 of refusals", percentile(seen.refusals, 0.99), 0.1),
        Line("", f"goodput {goodput / peak:.2f} of the peak", ">= 0.85", goodput >= 0.85 * peak, is_exact=False),
        Line("", f"afterwards {recovered / peak:.2f} of the peak", ">= 0.9", recovered >= 0.9 * peak, is_exact=False),
    ]
