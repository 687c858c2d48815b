"""All connections: how many there may be, and how they end."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from h2.errors import ErrorCodes

from transport_grpc.protocol import GrpcProtocol

if TYPE_CHECKING:
    from mlcore.access.guard import Guard
    from mlcore.connection_count import ConnectionCount

    from transport_grpc.limits import Limits
    from transport_grpc.methods import Method
    from transport_grpc.observer import CallObserver

_CHECK_S = 1.0
_LOOK_S = 0.05
# How long a client that hears that the server stops has for calls that are on their way.
_LAST_CALLS_S = 0.5


class Connections:
    """The connections of one server, and what they share.

    Args:
        methods: What is served, by path.
        limits: What one client may do.
        observer: Sees every call.
        min_packed: The least bytes of an answer that are compressed; `None` for never.
        count: Says how many connections there may be.
        guard: Who is let in; `None` for everybody.
    """

    def __init__(
        self,
        methods: dict[bytes, Method],
        limits: Limits,
        observer: CallObserver,
        min_packed: int | None,
        count: ConnectionCount,
        guard: Guard | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.methods = methods
        self.limits = limits
        self.observer = observer
        self.min_packed = min_packed
        self.is_leaving = False
        self._count = count
        self._guard = guard
        self._all: dict[GrpcProtocol, Any] = {}
        self._checking = asyncio.create_task(self._check(), name="mlcore-grpc-check")

    def protocol(self) -> GrpcProtocol:
        """Make the protocol of a new connection."""
        if self._guard is None:
            return GrpcProtocol(self)
        from transport_grpc.guarded import GuardedProtocol

        return GuardedProtocol(self, self._guard)

    def enter(self, connection: GrpcProtocol, address: Any) -> bool:
        """Note a new connection; say whether there may be one more."""
        if self._count.enter(address) is not None:
            return False
        self._all[connection] = address
        return True

    def leave(self, connection: GrpcProtocol) -> None:
        """Note that a connection has ended."""
        self._count.leave(self._all.pop(connection))

    async def drain(self, grace_s: float) -> None:
        """Let what is under way finish within so many seconds, then close every connection.

        Calls that wait for their client, as an open stream with no request in it, are ended first.
        """
        self.is_leaving = True
        began = time.monotonic()
        for connection in list(self._all):
            connection.leave()
        while self._all and (passed_s := time.monotonic() - began) < grace_s:
            if passed_s > min(_LAST_CALLS_S, grace_s / 2):
                self._end_idle_calls()
            if passed_s > 2 * _LAST_CALLS_S:
                self._close_silent()
            await asyncio.sleep(_LOOK_S)
        self.close()

    def close(self) -> None:
        """Give up what is under way, tell the clients so, and close every connection."""
        self.is_leaving = True
        self._checking.cancel()
        for connection in list(self._all):
            for call in connection.calls:
                call.refuse(GRPCError(Status.UNAVAILABLE, "the server stopped before this request was done"))
            connection.close(ErrorCodes.NO_ERROR)

    def _close_silent(self) -> None:
        """Close connections that have no calls, though their clients do not say that they have heard."""
        for connection in list(self._all):
            if not connection.calls:
                connection.close(ErrorCodes.NO_ERROR)

    def _end_idle_calls(self) -> None:
        for connection in list(self._all):
            for call in connection.calls:
                if call.is_idle:
                    call.refuse(GRPCError(Status.UNAVAILABLE, "the server is stopping"))

    async def _check(self) -> None:
        """Look after all connections now and then: one timer for all costs less than one for each."""
        limits = self.limits
        while True:
            await asyncio.sleep(min(_CHECK_S, limits.preface_s / 4, limits.write_s / 4, limits.keepalive_s / 4))
            now = time.monotonic()
            for connection in list(self._all):
                connection.check_time(now)
