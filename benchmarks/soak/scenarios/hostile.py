"""What no client should send, over HTTP and HTTP/2."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from clients import client_of
from table import Line, descriptors_left, memory_grown
from traffic import percentile, traffic

if TYPE_CHECKING:
    from server import Served

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x04"
PING = b"\x06"
_POST = b"POST /v2/models/identity/infer HTTP/1.1\r\nHost: x\r\n"
HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    PREFACE,
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000,
    _POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    _POST + b"Content-Length: 1000000000000000000\r\n\r\n",
    _POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    _POST + b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000,
    _POST + b"Content-Length: 10\r\n\r\nhalf",
]
"""What comes to the REST port."""
HTTP2 = [
    b"GET / HTTP/1.1\r\n\r\n",
    PREFACE + bytes(3) + SETTINGS + bytes(5) + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    PREFACE + bytes(3) + SETTINGS + bytes(5) + (b"\x00\x00\x08" + PING + bytes(5) + bytes(8)) * 3000,
]
"""What comes to the gRPC port."""


async def hostile(server: Served, seconds: float, per_second: int = 50) -> list[Line]:
    """Send what no client should, each on a connection of its own, beside good requests."""
    client_for = partial(client_of, server)
    async with traffic(client_for, 20, numbers=(4, 400)) as alone:
        await asyncio.sleep(min(seconds, 10))
    await server.quiet()
    memory, descriptors = server.memory(), server.descriptors()

    async def attack(number: int) -> None:
        port, kinds = (server.port, HTTP) if number % 2 else (server.grpc_port, HTTP2)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError, TimeoutError):
            writer.write(kinds[number // 2 % len(kinds)])
            await asyncio.wait_for(reader.read(), 1)
        writer.close()

    async with traffic(client_for, 20, numbers=(4, 400)) as seen, asyncio.TaskGroup() as attacks:
        for number in range(int(seconds * per_second)):
            attacks.create_task(attack(number))
            await asyncio.sleep(1 / per_second)
    left = await server.left_open(descriptors)
    grown = server.memory() - memory
    times = percentile(seen.took(), 0.99) / percentile(alone.took(), 0.99)
    return [
        seen.line(f"{per_second} bad clients/s, {seconds:.0f} s"),
        descriptors_left(left),
        memory_grown(grown),
        Line("", f"p99 of good ones {times:.1f} x", "<= 3 x of without", times <= 3, is_exact=False),
    ]
