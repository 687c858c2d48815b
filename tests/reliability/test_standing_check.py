"""The standing check itself: it sees a server that stands, and one that does not."""

from __future__ import annotations

import os
import signal
import socket

import pytest
from many import MODEL, workers_of
from standing import Standing, raw


def test_a_refused_request_leaves_the_server_as_it_was(served, standing) -> None:
    answer = raw(served, b"nonsense\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_worker_that_was_replaced_is_noticed(server, tmp_path) -> None:
    (tmp_path / "many.py").write_text(MODEL)
    (tmp_path / "model-settings.json").write_text('{"name": "many", "implementation": "many.Many"}')
    running = server(tmp_path, "--parallel-workers", "1")
    stood = Standing(running)
    stood.check()
    os.kill(workers_of(running.process.pid)[0].pid, signal.SIGKILL)

    with pytest.raises(AssertionError):
        stood.check()


def test_an_open_connection_is_no_problem_once_it_is_closed(served, standing) -> None:
    host, _, port = served.url.partition("://")[2].rpartition(":")
    socket.create_connection((host, int(port))).close()
