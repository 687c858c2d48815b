"""Connections that are too many, too slow, or only half there: they cost themselves, and nobody else."""

from __future__ import annotations

import json
import resource
import socket
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psutil
import pytest
from fault_proxy import FaultProxy
from many import MODEL, eventually
from mlcore.testing import start_server
from standing import Standing, control_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore.testing.process import RunningServer

MOST = 30


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Return a server with few connections and little patience."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "many.py").write_text(MODEL)
    (folder / "model-settings.json").write_text('{"name": "many", "implementation": "many.Many"}')
    limits = {"header_timeout": 1, "body_timeout": 1, "idle_timeout": 2, "max_connections_per_peer": MOST}
    limits["grpc_max_connections_per_peer"] = MOST
    (folder / "settings.json").write_text(json.dumps(limits))
    server = start_server(folder, "--parallel-workers", "1")
    for _ in range(20):
        control_answer(server)
    yield server
    server.stop()


def connect(server: RunningServer) -> socket.socket:
    host, _, port = server.url.partition("://")[2].rpartition(":")
    return socket.create_connection((host, int(port)), 60)


def rest_of(connection: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"POST /v2/models/many/infer HTTP/1.1\r\nHost: x\r\nX-",
        b"POST /v2/models/many/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
    ],
)
def test_f17_clients_that_are_slow_are_closed_at_their_deadline_and_hold_up_nobody(strict, beginning: bytes) -> None:
    stood = Standing(strict)
    with ExitStack() as opened:
        slow = [opened.enter_context(connect(strict)) for _ in range(MOST // 2)]
        for connection in slow:
            connection.sendall(beginning)
        assert {control_answer(strict) for _ in range(20)} == {"control"}

        assert {rest_of(connection)[:12] for connection in slow} <= {b"", b"HTTP/1.1 408"}

    stood.check()


async def test_f18_a_client_that_has_vanished_is_closed_when_it_is_idle_for_too_long(strict) -> None:
    stood = Standing(strict)
    process = psutil.Process(strict.process.pid)
    async with FaultProxy(int(strict.url.rpartition(":")[2])) as network:
        with socket.create_connection(("127.0.0.1", network.port), 60) as connection:
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            await eventually(lambda: len(of_clients(process)) >= 1)
            network.is_stuck = True
            await eventually(lambda: not of_clients(process))
            network.is_stuck = False

    stood.check()


def of_clients(process: psutil.Process) -> list[object]:
    return [each for each in process.net_connections("tcp") if each.status == psutil.CONN_ESTABLISHED]


def test_f37_a_peer_with_too_many_connections_gets_no_more_and_the_others_go_on(strict) -> None:
    stood = Standing(strict)
    ask = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    with ExitStack() as opened:
        first = [opened.enter_context(connect(strict)) for _ in range(MOST)]
        for connection in first:
            connection.sendall(ask)
            assert connection.recv(12) == b"HTTP/1.1 200"
        with connect(strict) as one_more:
            one_more.sendall(ask)
            assert rest_of(one_more)[:12] in (b"", b"HTTP/1.1 503")

    stood.check(warnings=2)


def test_f36_without_descriptors_new_clients_wait_and_the_others_are_served(server, tmp_path) -> None:
    (tmp_path / "many.py").write_text(MODEL)
    (tmp_path / "model-settings.json").write_text('{"name": "many", "implementation": "many.Many"}')
    running = server(tmp_path, "--parallel-workers", "1")
    control_answer(running)
    process = psutil.Process(running.process.pid)
    ask = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    with ExitStack() as opened:
        known = opened.enter_context(connect(running))
        known.sendall(ask)
        known.recv(65536)
        _, most = process.rlimit(resource.RLIMIT_NOFILE)
        process.rlimit(resource.RLIMIT_NOFILE, (process.num_fds() + 10, most))
        for _ in range(40):
            opened.enter_context(connect(running))
        for _ in range(20):
            known.sendall(ask)
            assert known.recv(65536).startswith(b"HTTP/1.1 200")

    process.rlimit(resource.RLIMIT_NOFILE, (1024, most))
    assert control_answer(running) == "control"
    assert running.get("/v2/health/ready").status == 200


def test_f37_over_grpc_too_and_both_are_counted(strict) -> None:
    stood = Standing(strict)
    host, _, port = strict.urls["grpc"].partition("://")[2].rpartition(":")
    begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4" + bytes(5)
    with ExitStack() as opened:
        for _ in range(MOST):
            connection = opened.enter_context(socket.create_connection((host, int(port)), 60))
            connection.sendall(begin)
            assert connection.recv(64)[3] == 4
        with socket.create_connection((host, int(port)), 60) as one_more:
            assert rest_of(one_more) == b""
        with urllib.request.urlopen(f"{strict.urls['metrics']}/metrics", timeout=60) as answer:
            shown = answer.read().decode()

    refused = [line for line in shown.splitlines() if "connections_refused" in line and 'transport="grpc"' in line]
    assert any(line.endswith((" 1", " 1.0")) for line in refused), refused
    stood.check(warnings=2)
