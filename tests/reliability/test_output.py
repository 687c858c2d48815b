"""Nobody reads what the server writes, or the disk behind it is full: it serves on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING

import psutil
import pytest
from many import MODEL

if TYPE_CHECKING:
    from pathlib import Path

BODY = json.dumps({"inputs": [{"name": "same", "datatype": "BYTES", "shape": [1], "data": ["x"]}]}).encode()
SOME = 1500
"""Requests whose lines are several times what a pipe holds."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "many.py").write_text(MODEL)
    (tmp_path / "model-settings.json").write_text('{"name": "many", "implementation": "many.Many"}')
    (tmp_path / "settings.json").write_text('{"access_log": 1, "parallel_workers": 0}')
    return tmp_path


def serve(folder: Path, output: int) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server that writes to a descriptor, and return it with the address of its model, once it is ready."""
    options = ["--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlcore", "serve", folder, *options], stdout=output, stderr=output
    )
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None
        for listening in psutil.Process(process.pid).net_connections("tcp"):  # its log cannot be asked for the port
            url = f"http://127.0.0.1:{listening.laddr.port}/v2/models/many"
            with suppress(OSError, HTTPException), urllib.request.urlopen(f"{url}/ready", timeout=10):
                return process, url
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise AssertionError("it did not come up")


def ask(url: str) -> int:
    request = urllib.request.Request(f"{url}/infer", BODY, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        status: int = answer.status
        return status


def test_f26_a_reader_that_has_stopped_holds_up_nothing_and_learns_what_it_missed(folder) -> None:
    reader, writer = os.pipe()
    process, url = serve(folder, writer)
    os.close(writer)
    try:
        assert {ask(url) for _ in range(SOME)} == {200}

        os.set_blocking(reader, False)
        written = bytearray()
        while b"log lines were left out" not in written:
            assert ask(url) == 200
            try:
                written += os.read(reader, 2**20)
            except BlockingIOError:
                continue
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)


def test_f23_a_reader_that_has_gone_ends_nothing(folder) -> None:
    reader, writer = os.pipe()
    process, url = serve(folder, writer)
    os.close(writer)
    os.close(reader)
    try:
        assert {ask(url) for _ in range(20)} == {200}
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_f25_a_full_disk_behind_the_log_ends_nothing(folder) -> None:
    with open("/dev/full", "wb") as full:
        process, url = serve(folder, full.fileno())
    try:
        assert {ask(url) for _ in range(20)} == {200}
        process.terminate()
        process.wait(60)
    finally:
        process.kill()
        process.wait()
