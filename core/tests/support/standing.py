"""What holds after every bad input: the server is up, in the same processes, and nothing of it is left in them."""

import re
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime

import psutil
from mlcore.testing.process import RunningServer

GROWTH_BYTES = 16 * 2**20
"""The most that one case may leave behind in memory."""

_TRACE = re.compile(r"^Traceback|^  File ")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_PATIENCE_S = 30


class Standing:
    """How a server stands before a case, to be compared with how it stands after it.

    Args:
        server: The server. It serves a model `many` (see `many.py`), and is warm.
    """

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._processes = _processes(server)
        self._descriptors = self._open()
        self._memory = self._resident()
        self._logged = len(server.log)
        self._began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def check(self, growth_bytes: int = GROWTH_BYTES, warnings: int = 1, is_traced: bool = False) -> None:
        """Check that the server stands as before.

        Args:
            growth_bytes: The most that the memory of all its processes may have grown.
            warnings: The most log lines above INFO that the case may have caused.
            is_traced: Whether the case is a fault of the model's, whose traceback belongs into the log.
        """
        for path in ("/v2/health/live", "/v2/health/ready"):
            assert self._server.get(path).status == 200
        assert control_answer(self._server) == "control"
        assert _processes(self._server) == self._processes, "a process has ended or begun"
        _eventually(
            lambda: sum(each.num_fds() for each in self._processes) <= self._descriptors, "descriptors are open"
        )
        _eventually(lambda: self._resident() < self._memory + growth_bytes, "memory has grown")
        lines = self._lines()
        if not is_traced:
            assert not [line for line in lines if _TRACE.match(line)], lines
        assert len([line for line in lines if re.search(r"\b(warning|error|critical)\b", line[:60])]) <= warnings, lines

    def _lines(self) -> list[str]:
        """Return what was logged since; what an earlier case said may be read only now, on a busy machine."""
        found = []
        is_new = False
        for line in self._server.log[self._logged :]:
            if said := _TIME.match(line):
                is_new = said[0] >= self._began
            if is_new:
                found.append(line)
        return found

    def _open(self) -> int:
        return sum(process.num_fds() for process in self._processes)

    def _resident(self) -> int:
        return sum(int(process.memory_info().rss) for process in self._processes)


def control_answer(server: RunningServer) -> str:
    """Ask the model what every server can answer, and return what it says."""
    answer = server.infer("many", {"name": "same", "datatype": "BYTES", "shape": [1], "data": ["control"]})
    assert answer.status == 200, answer.body
    text: str = answer.json()["outputs"][0]["data"][0]
    return text


def raw(server: RunningServer, *pieces: bytes, transport: str = "rest", timeout_s: float = _PATIENCE_S) -> bytes:
    """Send bytes over a connection of their own, and return all that comes until the server closes it.

    Raises:
        TimeoutError: The server does not close it.
    """
    host, _, port = server.urls[transport].partition("://")[2].rpartition(":")
    received = bytearray()
    with socket.create_connection((host, int(port)), timeout_s) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # closed before everything was sent: see what it said
            for piece in pieces:
                connection.sendall(piece)
        with suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                received += piece
    return bytes(received)


def _processes(server: RunningServer) -> list[psutil.Process]:
    """Return the server's process and its workers, in the order of their start."""
    front = psutil.Process(server.process.pid)
    return [front, *sorted(front.children(recursive=True), key=lambda each: each.pid)]


def _eventually(condition, problem: str) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < end, problem
        time.sleep(0.01)
