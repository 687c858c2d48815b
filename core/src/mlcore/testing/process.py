"""A server in a process of its own, with real sockets, as its users run it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from email.message import Message
    from pathlib import Path

_UP = "mlcore is up"
_FREE_PORTS = ("--http-port", "0", "--grpc-port", "0", "--metrics-port", "0")


@dataclass(frozen=True)
class HttpAnswer:
    """What the server answered over HTTP."""

    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        """Return the body as Python objects."""
        return json.loads(self.body)


@dataclass
class RunningServer:
    """A server process that is up.

    Attributes:
        process: The process.
        urls: Transport name to its address.
        log: The lines that it wrote so far; all of them after `stop`.
        tls: What requests to it are encrypted with, if its REST transport is `https://`.
    """

    process: subprocess.Popen[str]
    urls: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    _reader: threading.Thread = field(init=False, repr=False)

    @property
    def url(self) -> str:
        """The address of the REST transport."""
        return self.urls["rest"]

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Send a GET request."""
        return self.request("GET", path, None, headers)

    def post(self, path: str, body: Any = b"", headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Send a POST request; the body is JSON unless the headers say otherwise, and bytes are sent as they are."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self.request("POST", path, body, {"Content-Type": "application/json", **(headers or {})})

    def infer(self, model: str, *inputs: dict[str, Any], **members: Any) -> HttpAnswer:
        """Send an infer request with these inputs, and other members such as `outputs`."""
        return self.post(f"/v2/models/{model}/infer", {"inputs": list(inputs), **members})

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """Send a request and return the answer, whatever its status."""
        request = urllib.request.Request(self.url + path, body, dict(headers or {}), method=method)  # noqa: S310  # our own server
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.tls) as answer:  # noqa: S310
                return HttpAnswer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return HttpAnswer(error.code, error.headers, error.read())

    def stop(self, timeout_s: float = 60) -> int:
        """Send SIGTERM, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self._reader.join(timeout_s)
        return code


def start_server(
    folder: str | Path,
    *options: str,
    env: Mapping[str, str] | None = None,
    python: str = sys.executable,
    timeout_s: float = 120,
    tls: ssl.SSLContext | None = None,
) -> RunningServer:
    """Start `mlcore serve FOLDER` on free ports and wait until its models are loaded.

    Args:
        folder: The folder to serve.
        options: More options of `mlcore serve`.
        env: Environment variables, besides this process' own.
        python: The interpreter that runs it.
        timeout_s: How long it may take.
        tls: What requests to it are encrypted with, if they are.

    Raises:
        RuntimeError: It ended, or did not come up in time; the message holds its log.
    """
    process = subprocess.Popen(  # noqa: S603  # our own program
        [python, "-m", "mlcore", "serve", str(folder), *_FREE_PORTS, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    server = RunningServer(process, tls=tls)
    up = threading.Event()
    server._reader = reader = threading.Thread(target=_read, args=(server, up), daemon=True)
    reader.start()
    if not up.wait(timeout_s) or not server.urls:
        process.kill()
        process.wait()
        reader.join()
        raise RuntimeError("the server did not come up; its log:\n" + "\n".join(server.log))
    return server


def _read(server: RunningServer, up: threading.Event) -> None:
    """Collect the log; the lines after "is up" name the transports, the first model or blank line ends them.

    Where lines are JSON, one says everything.
    """
    assert server.process.stderr is not None
    is_up = False
    with server.process.stderr as lines:
        for line in lines:
            server.log.append(line.rstrip("\n"))
            if line.startswith(_UP):
                is_up = True
            elif line.startswith(f'{{"event": "{_UP}"'):
                server.urls.update(json.loads(line)["transports"])
                up.set()
            elif is_up and not up.is_set():
                address = re.match(r"  (\S+) +(\w+://\S+)", line)
                if address:
                    server.urls[address[1]] = address[2]
                else:
                    up.set()
    up.set()
