"""The gRPC transport: a socket, and the services behind it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from mlcore.connection_count import ConnectionCount
from mlcore.listening import address_of, listen
from mlcore.transport import Transport

from transport_grpc.connections import Connections
from transport_grpc.limits import Limits
from transport_grpc.methods import methods_of
from transport_grpc.observer import CallObserver
from transport_grpc.services import services

if TYPE_CHECKING:
    import socket

# What clients are told to speak.
_ALPN = "h2"
_REMEDY = "choose another with --grpc-port or the setting grpc_port"


class GrpcTransport(Transport):
    """Serves the protocol over gRPC."""

    name = "grpc"

    _socket: socket.socket | None = None
    _connections: Connections | None = None
    _server: asyncio.Server | None = None

    @property
    def extensions(self) -> list[str]:
        """The protocol extensions of the calls."""
        return ["model_repository"]

    def bind(self) -> None:
        """Take the port; see `Transport.bind`."""
        self._socket = listen(self.settings.host, self.settings.grpc_port, "gRPC", _REMEDY, self.settings.reuse_port)
        self._socket.setblocking(False)

    @property
    def url(self) -> str:
        """The address that clients use; they leave the scheme out."""
        scheme = "grpcs" if self.control.tls.is_on else "grpc"
        return f"{scheme}://{address_of(self.settings.host, self.settings.grpc_port, self._socket)}"

    async def start(self) -> None:
        """Begin to answer."""
        assert self._socket is not None, "bind comes first"
        settings = self.settings
        self._connections = Connections(
            methods_of(services(settings, self.dispatcher, self.control), settings.grpc_max_message_length),
            Limits.of(settings),
            CallObserver.of(settings, self.dispatcher.tallies),
            settings.gzip_min_bytes if settings.gzip_enabled else None,
            ConnectionCount(
                "grpc",
                settings.grpc_max_connections,
                settings.grpc_max_connections_per_peer,
                self.dispatcher.tallies,
                prefix="grpc_",
            ),
            self.control.guard,
        )
        self._server = await asyncio.get_running_loop().create_server(
            self._connections.protocol,
            sock=self._socket.dup(),  # the loop closes its own, which may have clients that are not accepted yet
            backlog=2048,
            **self.control.tls.options(_ALPN),
        )

    async def stop(self, grace_s: float) -> None:
        """Stop; see `Transport.stop`."""
        if self._connections is not None:
            if self._server is not None:
                server, self._server = self._server, None
                server.close()
                await self._accept_last(self._connections)
            if grace_s:
                await self._connections.drain(grace_s)
            else:
                self._connections.close()
        if self._socket is not None:
            self._socket.close()

    async def _accept_last(self, connections: Connections) -> None:
        """Serve the clients that are connected and not accepted yet: a closed listener would cut them off."""
        assert self._socket is not None, "it listens"
        loop = asyncio.get_running_loop()
        accepted = []
        with contextlib.suppress(OSError):
            while True:
                accepted.append(self._socket.accept()[0])
        self._socket.close()
        for client in accepted:
            client.setblocking(False)
        tls = self.control.tls.options(_ALPN)
        made = [loop.connect_accepted_socket(connections.protocol, client, **tls) for client in accepted]
        await asyncio.gather(*made, return_exceptions=True)
