"""Connections that say nothing."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from table import Line, descriptors_left, took

from scenarios.hostile import PREFACE, SETTINGS

if TYPE_CHECKING:
    from server import Served


async def idle(server: Served, connections: int) -> list[Line]:
    """Keep many connections over HTTP that say nothing more."""
    asks = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    return await _idle(server, f"{connections:,} idle connections", connections, server.port, asks, b"HTTP/1.1 200", 20)


async def idle_grpc(server: Served, connections: int) -> list[Line]:
    """Keep many connections over gRPC that have no call."""
    asks = PREFACE + bytes(3) + SETTINGS + bytes(5)
    name = f"{connections:,} idle gRPC connections"
    return await _idle(server, name, connections, server.grpc_port, asks, SETTINGS, 100)


async def _idle(
    server: Served, name: str, connections: int, port: int, asks: bytes, told: bytes, most_kib: int
) -> list[Line]:
    await server.quiet()
    memory, descriptors = server.memory(), server.descriptors()
    opened = []
    began = time.monotonic()
    try:
        for _ in range(connections):
            sock = socket.create_connection(("127.0.0.1", port), 60)
            sock.sendall(asks)
            opened.append(sock)
        well = sum(told in sock.recv(64) for sock in opened)
        accepted_s = time.monotonic() - began
        each = (server.memory() - memory) / connections
    finally:
        for sock in opened:
            sock.close()
    left = await server.left_open(descriptors)
    return [
        Line(name, f"{well:,} served", "all", well == connections),
        took("served after", accepted_s, 10),
        Line("", f"{each / 1024:.1f} KiB each", f"<= {most_kib} KiB", each <= most_kib * 1024, is_exact=False),
        descriptors_left(left),
    ]
