"""The metrics transport: a port of its own, so that whoever may scrape need not be let in to the models."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import uvicorn
from mlcore.listening import address_of, listen
from mlcore.transport import Transport

from transport_metrics.app import MetricsApp
from transport_metrics.exposition import Exposition

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

# Scrapes that are under way at the stop get no longer than this.
_LONGEST_GRACE_S = 1

# What clients are told to speak.
_ALPN = "http/1.1"
_REMEDY = "choose another with --metrics-port or the setting metrics_port, or set metrics_endpoint to null"


class MetricsTransport(Transport):
    """Shows what is measured to Prometheus."""

    name = "metrics"

    _socket: socket.socket | None = None
    _exposition: Exposition | None = None
    _uvicorn: _Uvicorn | None = None
    _running: asyncio.Task[None] | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether the settings leave it a path."""
        return self.settings.metrics_endpoint is not None

    def bind(self) -> None:
        """Take the port; see `Transport.bind`."""
        self._socket = listen(
            self.settings.host, self.settings.metrics_port, "metrics", _REMEDY, self.settings.reuse_port
        )

    @property
    def url(self) -> str:
        """The address that Prometheus scrapes, without the path."""
        scheme = "https" if self.control.tls.is_on else "http"
        return f"{scheme}://{address_of(self.settings.host, self.settings.metrics_port, self._socket)}"

    async def start(self) -> None:
        """Begin to answer."""
        assert self._socket is not None, "bind comes first"
        self._exposition = Exposition(self.settings, self.dispatcher.tallies)
        app = MetricsApp(self._exposition, self.settings.metrics_endpoint or "")
        if self.control.guard is not None:
            from transport_metrics.guarded import guarded

            app = guarded(app, self.control.guard)
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_LONGEST_GRACE_S,
        )
        self._uvicorn = _Uvicorn(config, self.control.tls.options(_ALPN))
        self._running = asyncio.create_task(self._uvicorn.serve(sockets=[self._socket]), name="mlcore-metrics")
        up = asyncio.create_task(self._uvicorn.up.wait())
        await asyncio.wait({self._running, up}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._running.done():
            self._running.result()

    async def stop(self, grace_s: float) -> None:
        """Stop; see `Transport.stop`."""
        if self._uvicorn is not None and self._running is not None:
            self._uvicorn.should_exit = True
            await self._running
        if self._socket is not None:
            self._socket.close()
        if self._exposition is not None:
            exposition, self._exposition = self._exposition, None
            await asyncio.to_thread(exposition.close)


class _Uvicorn(uvicorn.Server):
    """uvicorn, which says when it is up and leaves the signals to the server that owns it."""

    def __init__(self, config: uvicorn.Config, tls: dict[str, Any]) -> None:
        super().__init__(config)
        self._tls = tls
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, as uvicorn would, which knows no deadline for the handshake of TLS."""
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(self._protocol, sock=sock, backlog=self.config.backlog, **self._tls)
            for sock in sockets or ()
        ]
        self.started = True
        self.up.set()

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # uvicorn's own
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[Any]:
        yield
