"""The gRPC transport: a socket, and the services behind it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from mlcore.errors import PortInUseError
from mlcore.transport import Transport

from transport_grpc.connections import Connections
from transport_grpc.limits import Limits
from transport_grpc.methods import methods_of
from transport_grpc.observer import CallObserver
from transport_grpc.services import services
from transport_grpc.tls import tls_of

if TYPE_CHECKING:
    import ssl


class GrpcTransport(Transport):
    """Serves the protocol over gRPC."""

    name = "grpc"

    _socket: socket.socket | None = None
    _tls: ssl.SSLContext | None = None
    _connections: Connections | None = None
    _server: asyncio.Server | None = None

    @property
    def extensions(self) -> list[str]:
        """The protocol extensions of the calls."""
        return ["model_repository"]

    def bind(self) -> None:
        """Take the port; see `Transport.bind`."""
        self._tls = tls_of(self.settings)
        host, port = self.settings.host, self.settings.grpc_port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # which asyncio's TCP_NODELAY asks for
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((host, port))
            taken.listen(2048)
        except OSError as error:
            taken.close()
            raise PortInUseError(
                f"the gRPC transport cannot listen on {host}:{port}: {error.strerror}; "
                "choose another with --grpc-port or the setting grpc_port"
            ) from error
        taken.setblocking(False)
        self._socket = taken

    @property
    def url(self) -> str:
        """The address that clients use; they leave the scheme out."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        port = self._socket.getsockname()[1] if self._socket is not None else self.settings.grpc_port
        return f"grpc://{host}:{port}"

    async def start(self) -> None:
        """Begin to answer."""
        assert self._socket is not None, "bind comes first"
        settings = self.settings
        self._connections = Connections(
            methods_of(services(settings, self.dispatcher, self.control), settings.grpc_max_message_length),
            Limits.of(settings),
            CallObserver.of(settings, self.dispatcher.tallies),
            settings.gzip_min_bytes if settings.gzip_enabled else None,
            settings.grpc_max_connections,
            settings.grpc_max_connections_per_peer,
        )
        self._server = await asyncio.get_running_loop().create_server(
            self._connections.protocol,
            sock=self._socket.dup(),  # the loop closes its own, which may have clients that are not accepted yet
            backlog=2048,
            ssl=self._tls,
            ssl_handshake_timeout=settings.grpc_handshake_timeout if self._tls is not None else None,
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
        made = [loop.connect_accepted_socket(connections.protocol, client, ssl=self._tls) for client in accepted]
        await asyncio.gather(*made, return_exceptions=True)
