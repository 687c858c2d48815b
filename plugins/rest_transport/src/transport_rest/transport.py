"""The REST transport: a socket, uvicorn on it, and the app behind it."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from mlcore.connection_count import ConnectionCount
from mlcore.listening import address_of, listen
from mlcore.transport import Transport

from transport_rest.app import build_app
from transport_rest.limits import HttpLimits
from transport_rest.measured import HttpMeasures
from transport_rest.protocol import HttpProtocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

# How long a request that is cancelled may take to tell its client so.
_LAST_ANSWERS_S = 0.2

# What clients are told to speak.
_ALPN = "http/1.1"
_REMEDY = "choose another with --http-port or the setting http_port"


class RestTransport(Transport):
    """Serves the protocol over HTTP/1.1."""

    name = "rest"

    _socket: socket.socket | None = None
    _uvicorn: _Uvicorn | None = None
    _running: asyncio.Task[None] | None = None

    @property
    def extensions(self) -> list[str]:
        """The protocol extensions of the REST routes."""
        return ["binary_tensor_data", "model_repository"]

    def bind(self) -> None:
        """Take the port; see `Transport.bind`."""
        self._socket = listen(self.settings.host, self.settings.http_port, "REST", _REMEDY, self.settings.reuse_port)

    @property
    def url(self) -> str:
        """The address that clients use."""
        scheme = "https" if self.control.tls.is_on else "http"
        return f"{scheme}://{address_of(self.settings.host, self.settings.http_port, self._socket)}"

    async def start(self) -> None:
        """Begin to answer."""
        assert self._socket is not None, "bind comes first"
        settings, tallies = self.settings, self.dispatcher.tallies
        measures = HttpMeasures(tallies) if tallies.is_on else None
        config = uvicorn.Config(
            build_app(settings, self.dispatcher, self.control),
            http=partial(  # type: ignore[arg-type]  # makes one, like a class
                HttpProtocol,
                wants_clients=lambda: self.control.is_accepting,
                limits=HttpLimits.of(settings),
                count=ConnectionCount("rest", settings.max_connections, settings.max_connections_per_peer, tallies),
                measures=measures,
            ),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=max(1, round(settings.grace_period)),
        )
        self._uvicorn = _Uvicorn(config, self.control.tls.options(_ALPN))
        self._running = asyncio.create_task(self._uvicorn.serve(sockets=[self._socket]), name="mlcore-rest")
        up = asyncio.create_task(self._uvicorn.up.wait())
        await asyncio.wait({self._running, up}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._running.done():
            self._running.result()

    async def stop(self, grace_s: float) -> None:
        """Stop; see `Transport.stop`."""
        if self._uvicorn is not None and self._running is not None:
            self._uvicorn.config.timeout_graceful_shutdown = max(1, round(grace_s))
            self._uvicorn.should_exit = True
            if not grace_s:
                await self._give_up()
                self._cut_off()
            await self._running
            await self._give_up()
            self._cut_off()
        if self._socket is not None:
            self._socket.close()

    def _cut_off(self) -> None:
        """Close the connections that are left, those to clients that do not take their answers."""
        assert self._uvicorn is not None, "there are connections only while it runs"
        self._uvicorn.force_exit = True
        for connection in list(self._uvicorn.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def _give_up(self) -> None:
        """Cancel the requests that are under way; their clients are told.

        Twice, for the first time a request waits for its model to end.
        """
        assert self._uvicorn is not None, "there are requests only while it runs"
        for _ in range(2):
            tasks = set(self._uvicorn.server_state.tasks)
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=_LAST_ANSWERS_S)


class _Uvicorn(uvicorn.Server):
    """uvicorn, which says when it is up and leaves the signals to the server that owns it."""

    def __init__(self, config: uvicorn.Config, tls: dict[str, Any]) -> None:
        super().__init__(config)
        self._tls = tls
        self.up = asyncio.Event()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, but serve the clients that are connected and not accepted yet: a closed listener would cut them off."""
        loop = asyncio.get_running_loop()
        accepted = []
        for listener in sockets or ():
            with contextlib.suppress(BlockingIOError):
                while True:
                    accepted.append(listener.accept()[0])
        for sock in accepted:
            sock.setblocking(False)
        connecting = [
            asyncio.ensure_future(loop.connect_accepted_socket(self._protocol, sock, **self._tls)) for sock in accepted
        ]
        await super().shutdown(sockets)
        await asyncio.gather(*connecting, return_exceptions=True)

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # uvicorn's own
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, as uvicorn would, which knows no deadline for the handshake of TLS."""
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(self._protocol, sock=sock, backlog=self.config.backlog, **self._tls)
            for sock in sockets or ()
        ]
        self.started = True
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[Any]:
        yield
