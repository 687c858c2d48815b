"""Good and bad clients near what the server can do, for long."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from clients import client_of, grpc_client_of
from table import Line, descriptors_left, memory_grown, took
from traffic import percentile, saturation, traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from server import Served

# The load generator shares the machine, and larger requests cost more: less than the 80 % that a machine of its own
# could bear.
_SHARE = 0.4


async def steady(server: Served, seconds: float, per_second: float | None = None) -> list[Line]:
    """Serve a mix of sizes, one in twenty wrong and one in fifty from a client that leaves, near what it can do."""
    return await _steady(server, "steady", client_of, seconds, per_second)


async def steady_grpc(server: Served, seconds: float, per_second: float | None = None) -> list[Line]:
    """The same over gRPC."""
    return await _steady(server, "steady gRPC", grpc_client_of, seconds, per_second)


async def _steady(
    server: Served, name: str, kind: Callable[..., Any], seconds: float, per_second: float | None
) -> list[Line]:
    client_for = partial(kind, server)
    rate = per_second or _SHARE * await saturation(client_for, 2)
    await server.quiet()
    descriptors, memory = server.descriptors(), server.memory()
    mix = {"numbers": (4, 4, 4, 4, 40, 400, 4000), "bad": 0.05, "leaving": 0.02}
    async with traffic(client_for, rate, **mix) as seen:
        await asyncio.sleep(seconds)
    grown = server.memory() - memory
    left = await server.left_open(descriptors)
    began = seen.latencies[0][0]
    early = [took_s for sent, took_s in seen.latencies if sent < began + seconds / 3]
    late = [took_s for sent, took_s in seen.latencies if sent > began + 2 * seconds / 3]
    ratio = percentile(late, 0.99) / percentile(early, 0.99)
    return [
        seen.line(f"{name} {rate:,.0f}/s, {seconds:.0f} s"),
        Line("", f"{sum(seen.unexpected.values())} of the bad ones", "0 answered otherwise", not seen.unexpected),
        descriptors_left(left),
        memory_grown(grown),
        Line("", f"p99 at the end {ratio:.2f} x", "<= 1.5 x of the beginning", ratio <= 1.5, is_exact=False),
        took("p99.9", percentile(seen.took(), 0.999), 0.25),
    ]
