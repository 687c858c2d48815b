"""What is done to the server, one function for each; each returns its lines of the table."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.settings import Settings
from server import Served, end, folder_of_model, served, start, write_model
from table import Line
from traffic import client_of, percentile, saturation, traffic

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import aiohttp

MIB = 2**20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
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
    PREFACE + bytes(3) + b"\x04" + bytes(5) + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    PREFACE + bytes(3) + b"\x04" + bytes(5) + (b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + bytes(8)) * 3000,
]
"""What comes to the gRPC port."""


async def steady(seconds: float) -> list[Line]:
    """Serve a mix of sizes, one in twenty wrong and one in fifty from a client that leaves, near what it can do."""
    with folder_of_model() as folder, served(folder) as server:
        rate = 0.4 * await saturation(
            server.infer, 2
        )  # the load generator shares the machine, and larger ones cost more
        await saturation(server.infer, 1)
        await _quiet(server)
        descriptors, memory = server.descriptors(), server.memory()
        mix = {"numbers": (4, 4, 4, 4, 40, 400, 4000), "bad": 0.05, "leaving": 0.02}
        async with traffic(server.infer, rate, **mix) as seen:
            await asyncio.sleep(seconds)
        grown = server.memory() - memory
        left = await _left_open(server, descriptors)
    began = seen.latencies[0][0]
    early = [took for sent, took in seen.latencies if sent < began + seconds / 3]
    late = [took for sent, took in seen.latencies if sent > began + 2 * seconds / 3]
    ratio = percentile(late, 0.99) / percentile(early, 0.99)
    name = f"steady {rate:,.0f}/s, {seconds:.0f} s"
    return [
        Line(name, _said(seen.outcomes, seen.wrong), "all 200, none wrong", _all_well(seen.outcomes, seen.wrong)),
        Line("", f"{sum(seen.unexpected.values())} of the bad ones", "0 not answered 400", not seen.unexpected),
        Line("", f"{left} descriptors more", "0", left == 0),
        Line("", f"{grown / MIB:.1f} MiB more", "< 20 MiB", grown < 20 * MIB, is_exact=False),
        Line("", f"p99 at the end {ratio:.2f} x", "<= 1.5 x of the beginning", ratio <= 1.5, is_exact=False),
    ]


async def overload(seconds: float) -> list[Line]:
    """Ask three times what it can do, of a model that works on one request at a time."""
    settings = {"max_concurrency": 1, "max_queue_size": 20, "parameters": {"extra": {"seconds": 0.01}}}
    with folder_of_model(**settings) as folder, served(folder) as server:
        peak = await saturation(server.infer, min(2.0, seconds))
        async with traffic(server.infer, 3 * peak) as seen:
            await asyncio.sleep(seconds)
        goodput = seen.outcomes[200] / seconds
        recovered = await saturation(server.infer, min(2.0, seconds))
    return [
        Line(
            f"overload {3 * peak:,.0f}/s, {seconds:.0f} s",
            _said(seen.outcomes, seen.wrong),
            "200 or 503, none wrong",
            set(seen.outcomes) == {200, 503} and not seen.wrong,
        ),
        Line("", f"goodput {goodput / peak:.2f} of the peak", ">= 0.85", goodput >= 0.85 * peak, is_exact=False),
        Line("", f"afterwards {recovered / peak:.2f} of the peak", ">= 0.9", recovered >= 0.9 * peak, is_exact=False),
    ]


async def hostile(seconds: float, per_second: int = 50) -> list[Line]:
    """Send what no client should, each on a connection of its own, beside good requests."""
    with folder_of_model() as folder, served(folder) as server:
        await saturation(server.infer, 1)
        await _quiet(server)
        memory, descriptors = server.memory(), server.descriptors()

        async def attack(number: int) -> None:
            port, data = (
                (server.port, HTTP[number % len(HTTP)]) if number % 2 else (server.grpc_port, HTTP2[number % 3])
            )
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(ConnectionError, TimeoutError):
                writer.write(data)
                await asyncio.wait_for(reader.read(), 1)
            writer.close()

        async with traffic(server.infer, 20, numbers=(4, 400)) as seen, asyncio.TaskGroup() as attacks:
            for number in range(int(seconds * per_second)):
                attacks.create_task(attack(number))
                await asyncio.sleep(1 / per_second)
        left = await _left_open(server, descriptors)
        grown = server.memory() - memory
    name = f"{per_second} bad clients/s, {seconds:.0f} s"
    return [
        Line(name, _said(seen.outcomes, seen.wrong), "good ones 200", _all_well(seen.outcomes, seen.wrong)),
        Line("", f"{left} descriptors more", "0", left == 0),
        Line("", f"{grown / MIB:.1f} MiB more", "< 20 MiB", grown < 20 * MIB, is_exact=False),
    ]


async def idle(connections: int) -> list[Line]:
    """Keep many connections over HTTP that say nothing more."""
    asks = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    return await _idle(f"{connections:,} idle connections", connections, "port", asks, b"HTTP/1.1 200", 20)


async def idle_grpc(connections: int) -> list[Line]:
    """Keep many connections over gRPC that have no call."""
    frame_type = b"\x04"  # SETTINGS
    return await _idle(
        f"{connections:,} idle gRPC connections",
        connections,
        "grpc_port",
        PREFACE + b"\0\0\0" + frame_type + bytes(5),
        frame_type,
        100,
    )


async def _idle(name: str, connections: int, port: str, asks: bytes, told: bytes, most_kib: int) -> list[Line]:
    most = connections + 100
    limits = {"max_connections_per_peer": most, "grpc_max_connections": most, "grpc_max_connections_per_peer": most}
    known = {key: value for key, value in limits.items() if key in Settings.model_fields}
    with folder_of_model() as folder:
        (folder / "settings.json").write_text(json.dumps(known))
        with served(folder) as server:
            await saturation(server.infer, 1)
            await _quiet(server)
            memory, descriptors = server.memory(), server.descriptors()
            opened = []
            try:
                for _ in range(connections):
                    sock = socket.create_connection(("127.0.0.1", getattr(server, port)))
                    sock.sendall(asks)
                    opened.append(sock)
                well = sum(told in sock.recv(64) for sock in opened)
                each = (server.memory() - memory) / connections
            finally:
                for sock in opened:
                    sock.close()
            left = await _left_open(server, descriptors)
    return [
        Line(name, f"{well:,} served", "all", well == connections),
        Line("", f"{each / 1024:.1f} KiB each", f"<= {most_kib} KiB", each <= most_kib * 1024, is_exact=False),
        Line("", f"{left} descriptors more", "0", left == 0),
    ]


async def churn(seconds: float, per_second: int = 200) -> list[Line]:
    """Use a new connection for each request."""
    with folder_of_model() as folder, served(folder) as server:
        await saturation(server.infer, 1)
        await _quiet(server)
        descriptors = server.descriptors()
        async with traffic(server.infer, per_second, keep_alive=False) as seen:
            await asyncio.sleep(seconds)
        left = await _left_open(server, descriptors)
    return [
        Line(
            f"{per_second} new connections/s, {seconds:.0f} s",
            _said(seen.outcomes, seen.wrong),
            "all 200, none wrong",
            _all_well(seen.outcomes, seen.wrong),
        ),
        Line("", f"{left} descriptors more", "0", left == 0),
    ]


async def many_models(count: int) -> list[Line]:
    """Serve many models."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_model(folder)
        with served(folder) as server:
            alone = server.processes[0].memory_info().rss
        for number in range(count - 1):
            write_model(folder, f"model-{number}")
        began = time.monotonic()
        with served(folder) as server:
            took = time.monotonic() - began
            each = (server.processes[0].memory_info().rss - alone) / (count - 1)
            async with client_of() as client, client.post(f"{server.url}/v2/repository/index") as answer:
                ready = sum(item["state"] == "READY" for item in await answer.json())
    return [
        Line(f"{count} models", f"{ready} ready", "all", ready == count),
        Line("", f"up after {took:.1f} s", "<= 15 s", took <= 15, is_exact=False),
        Line("", f"{each / 1024:,.0f} KiB of the front each", "<= 1 MiB", each <= MIB, is_exact=False),
    ]


async def reloads(count: int, per_second: int = 50) -> list[Line]:
    """Load a model again and again under traffic."""
    with folder_of_model() as folder, served(folder) as server:
        async with traffic(server.infer, per_second) as seen, client_of() as client:
            memory = server.memory()
            statuses: Counter[int] = Counter()
            for _ in range(count):
                async with client.post(f"{server.url}/v2/repository/models/identity/load") as answer:
                    statuses[answer.status] += 1
            grown = server.memory() - memory
    name = f"{count} reloads at {per_second}/s"
    return [
        Line(name, _said(seen.outcomes, seen.wrong), "all 200, none wrong", _all_well(seen.outcomes, seen.wrong)),
        Line("", f"loads: {_said(statuses)}", "all 200", set(statuses) == {200}),
        Line("", f"{grown / MIB:.1f} MiB more", "<= 10 MiB", grown <= 10 * MIB, is_exact=False),
    ]


async def race(clients: int, rounds: int) -> list[Line]:
    """Load, unload and ask one model from many clients at once."""
    statuses: Counter[int] = Counter()
    with folder_of_model() as folder, served(folder) as server:
        body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]}]}
        model = f"{server.url}/v2/repository/models/identity"

        async def ask(number: int, client: aiohttp.ClientSession) -> None:
            for step in range(rounds):
                url = (f"{model}/load", f"{model}/unload", server.infer)[(number + step) % 3]
                async with client.post(url, json=body if url == server.infer else None) as answer:
                    await answer.read()
                    statuses[answer.status] += 1

        async with client_of() as client:
            await asyncio.gather(*(ask(number, client) for number in range(clients)))
            async with client.post(f"{model}/load") as answer:
                loaded = answer.status
            async with client.post(server.infer, json=body) as answer:
                served_last = answer.status
    return [
        Line(
            f"load/unload/infer, {clients} x {rounds}",
            _said(statuses),
            "200, 404, 409 or 503",
            set(statuses) <= {200, 404, 409, 503} and (loaded, served_last) == (200, 200),
        )
    ]


async def kills(count: int, per_second: int = 50) -> list[Line]:
    """Kill one of two workers again and again under traffic."""
    with folder_of_model() as folder, served(folder, "--parallel-workers", "2") as server:
        async with traffic(server.infer, per_second) as seen:
            for _ in range(count):
                victim = server.workers[0]
                victim.kill()
                await _until(lambda victim=victim: victim not in server.processes and len(server.workers) == 2)
                await asyncio.sleep(1)
        left = len(server.workers)
    asked = sum(seen.outcomes.values())
    failed = asked - seen.outcomes[200]
    return [
        Line(
            f"{count} workers killed at {per_second}/s",
            _said(seen.outcomes, seen.wrong),
            "200, or 503 for what had begun; none wrong",
            set(seen.outcomes) <= {200, 503} and not seen.wrong and left == 2,
        ),
        Line("", f"{asked - failed} of {asked} answered", ">= 99 %", failed <= asked / 100, is_exact=False),
    ]


async def restarts(count: int, per_second: int = 50) -> list[Line]:
    """Replace the server by a successor on the same port, again and again, under traffic on new connections."""
    with folder_of_model() as folder:
        (folder / "settings.json").write_text('{"reuse_port": true, "drain_delay": 0.5}')
        current = start(folder)
        codes: Counter[int] = Counter()
        try:
            async with traffic(current.infer, per_second, keep_alive=False) as seen:
                for _ in range(count):
                    successor = await asyncio.to_thread(start, folder, port=current.port)
                    codes[await asyncio.to_thread(end, current)] += 1
                    current = successor
        finally:
            end(current)
    return [
        Line(
            f"{count} restarts at {per_second}/s",
            _said(seen.outcomes, seen.wrong),
            "all 200, none wrong",
            _all_well(seen.outcomes, seen.wrong),
        ),
        Line("", f"exit codes {_said(codes)}", "0", set(codes) == {0}),
    ]


async def big(count: int, mebibytes: int = 60) -> list[Line]:
    """Send large binary tensors, two at a time."""
    numbers = mebibytes * MIB // 4
    tensor = {"name": "x", "datatype": "FP32", "shape": [numbers], "parameters": {"binary_data_size": 4 * numbers}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    payload = os.urandom(4 * numbers)
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    well = peak = 0
    with folder_of_model() as folder, served(folder) as server:
        memory = server.memory()

        async def ask(client: aiohttp.ClientSession) -> None:
            nonlocal well, peak
            for _ in range(count // 2):
                async with client.post(server.infer, data=head + payload, headers=headers) as answer:
                    body = await answer.read()
                    peak = max(peak, server.memory() - memory)
                    well += answer.status == 200 and body.endswith(payload)

        async with client_of() as client:
            await asyncio.gather(ask(client), ask(client))
    times = peak / (2 * 4 * numbers)
    return [
        Line(f"{count} tensors of {mebibytes} MiB", f"{well} right", "all", well == count // 2 * 2),
        Line("", f"{times:.1f} x their size at most", "<= 4 x", times <= 4, is_exact=False),
    ]


async def streams(clients: int, tokens: int) -> list[Line]:
    """Read many streams at once."""
    body = {"inputs": [{"name": "count", "datatype": "INT64", "shape": [1], "data": [tokens]}]}
    expected = [str(number) for number in range(tokens)]
    with folder_of_model() as folder, served(folder) as server:
        url = f"{server.url}/v2/models/identity/infer_stream"

        async def read(client: aiohttp.ClientSession) -> bool:
            async with client.post(url, json=body) as answer:
                text = (await answer.read()).decode()
            events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
            return [json.loads(event)["outputs"][0]["data"][0] for event in events if "outputs" in event] == expected

        async with client_of() as client:
            whole = sum(await asyncio.gather(*(read(client) for _ in range(clients))))
    return [Line(f"{clients} streams of {tokens:,} tokens", f"{whole} whole", "all, in order", whole == clients)]


async def start_and_stop() -> list[Line]:
    """Start and stop a server that nobody asks."""
    with folder_of_model() as folder:
        began = time.monotonic()
        server = start(folder)
        up_s = time.monotonic() - began
        children = server.processes[1:]
        began = time.monotonic()
        code = end(server)
        down_s = time.monotonic() - began
        left = [each for each in children if each.is_running()]
    return [
        Line("start and stop", f"exit code {code}, {len(left)} processes left", "0, none", code == 0 and not left),
        Line("", f"up after {up_s:.1f} s", "<= 1.5 s", up_s <= 1.5, is_exact=False),
        Line("", f"down after {down_s:.1f} s", "<= 1 s", down_s <= 1.0, is_exact=False),
    ]


async def hang(seconds: float) -> list[Line]:
    """Stop a worker, so that it shows no sign of life, under traffic."""
    with folder_of_model() as folder:
        (folder / "settings.json").write_text(json.dumps({"worker_timeout": seconds}))
        with served(folder, "--parallel-workers", "2") as server:
            victim = server.workers[0]
            async with traffic(server.infer, 20) as seen:
                victim.send_signal(signal.SIGSTOP)
                await _until(lambda: victim not in server.processes and len(server.workers) == 2)
    return [
        Line(
            "a worker that hangs",
            _said(seen.outcomes, seen.wrong),
            "200, or 503 or 504 for its own; none wrong",
            set(seen.outcomes) <= {200, 503, 504} and not seen.wrong,
        )
    ]


SHORT: list[Callable[[], Awaitable[list[Line]]]] = [
    start_and_stop,
    lambda: steady(10),
    lambda: overload(4),
    lambda: hostile(4),
    lambda: idle(200),
    lambda: idle_grpc(100),
    lambda: churn(3),
    lambda: many_models(20),
    lambda: reloads(20),
    lambda: race(8, 12),
    lambda: kills(2),
    lambda: hang(2.0),
    lambda: restarts(2),
    lambda: big(4, 20),
    lambda: streams(20, 100),
]
LONG: list[Callable[[], Awaitable[list[Line]]]] = [
    start_and_stop,
    lambda: steady(600),
    lambda: overload(60),
    lambda: hostile(300),
    lambda: idle(5000),
    lambda: idle_grpc(500),
    lambda: churn(60, 500),
    lambda: many_models(100),
    lambda: reloads(200),
    lambda: race(32, 200),
    lambda: kills(30),
    lambda: hang(5.0),
    lambda: restarts(10),
    lambda: big(20),
    lambda: streams(200, 1000),
]


def _said(outcomes: Counter[object], wrong: int = 0) -> str:
    said = ", ".join(f"{count:,} x {outcome}" for outcome, count in outcomes.most_common())
    return f"{said}; {wrong} wrong" if wrong else said


def _all_well(outcomes: Counter[object], wrong: int) -> bool:
    return set(outcomes) == {200} and not wrong


async def _until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def _quiet(server: Served) -> None:
    """Wait until connections of earlier clients are closed."""
    before = -1
    while before != (before := server.descriptors()):
        await asyncio.sleep(0.2)


async def _left_open(server: Served, before: int) -> int:
    """Return how many descriptors are open that were not before, once those of clients that have gone are closed."""
    with contextlib.suppress(TimeoutError):
        await _until(lambda: server.descriptors() <= before, 10)
    return max(0, server.descriptors() - before)
