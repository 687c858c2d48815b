"""Connections whose calls the guard lets in, or not, before anything of their messages is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.access.certificates import names_in
from mlcore.access.guard import CHALLENGE
from mlcore.access.identity import credentials_of
from mlcore.errors import UnauthenticatedError

from transport_grpc.call import ServerCall
from transport_grpc.protocol import GrpcProtocol
from transport_grpc.request_head import Refusal
from transport_grpc.status import failure, retry_headers

if TYPE_CHECKING:
    import asyncio

    from grpclib.const import Status
    from mlcore.access.guard import Guard
    from mlcore.access.identity import Identity
    from mlcore.access.limit import Limit

    from transport_grpc.connections import Connections
    from transport_grpc.request_head import RequestHead
    from transport_grpc.stream import Stream


class GuardedCall(ServerCall):
    """A call of a client that is known, if it has to be."""

    limit: Limit | None = None

    def _ended(self, status: Status) -> None:
        super()._ended(status)
        limit, self.limit = self.limit, None
        if limit is not None:
            limit.leave()


class GuardedProtocol(GrpcProtocol):
    """One connection.

    Args:
        connections: All of them, and what they share.
        guard: Knows the clients.
    """

    call_type = GuardedCall

    def __init__(self, connections: Connections, guard: Guard) -> None:
        super().__init__(connections)
        self._guard = guard

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # not of a datagram
        """Begin, and note who the client's certificate says that it is."""
        self.certificate_names = names_in(transport.get_extra_info("peercert"))
        super().connection_made(transport)

    def on_request(self, stream: Stream, head: RequestHead) -> None:
        """Begin a call, if its client may."""
        if head.refusal is not None:
            super().on_request(stream, head)
            return
        method = self._connections.methods.get(head.path)
        action = "metadata" if method is None else method.action
        try:
            identity = self._guard.admit_for_some(credentials_of(head.metadata, self.certificate_names), action)
            limit = identity.limit if identity is not None and action == "infer" else None
            if limit is not None and method is not None:
                # Each message of a stream is a request of its own, and counted when it is there.
                (limit.enter if method.streams_in else limit.begin)()
        except Exception as error:  # the client gets an answer whatever fails, and no further
            self.refuse(stream, _refusal_of(error, head))
            return
        super().on_request(stream, head)
        self._note(stream.call, identity, limit)

    @staticmethod
    def _note(call: ServerCall | None, identity: Identity | None, limit: Limit | None) -> None:
        if isinstance(call, GuardedCall):
            call.identity = identity
            call.limit = limit
        elif limit is not None:  # it was refused for something else
            limit.leave()


def _refusal_of(error: Exception, head: RequestHead) -> Refusal:
    told = failure(error, head.path.decode("ascii", "backslashreplace")[:128])
    headers = retry_headers(error)
    if isinstance(error, UnauthenticatedError):
        headers.append((b"www-authenticate", CHALLENGE.encode()))
    return Refusal(told.status, told.message or "", headers=headers)
