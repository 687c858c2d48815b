"""`grpc.health.v1.Health`, as probes and balancers ask for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from mlcore.access.identity import credentials_of
from mlcore.errors import ModelNotFoundError
from mlcore_protocol.protobuf.grpc.health.v1 import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthCheckResponseServingStatus,
)

if TYPE_CHECKING:
    from mlcore.control import ControlPlane

    from transport_grpc.call import ServerCall

NAME = "grpc.health.v1.Health"

# The services that are as healthy as the server.
_OURS = frozenset({"", NAME, "inference.GRPCInferenceService", "inference.model_repository.ModelRepositoryService"})

# How often a state that is watched is looked at. It changes by loads and stops, which take longer.
_LOOK_S = 0.25

_SERVING = HealthCheckResponseServingStatus.SERVING
_NOT_SERVING = HealthCheckResponseServingStatus.NOT_SERVING
_UNKNOWN = HealthCheckResponseServingStatus.SERVICE_UNKNOWN


class HealthService:
    """Says whether the server, or one model, answers.

    Args:
        control: What knows.
    """

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def __mapping__(self) -> dict[str, Handler]:
        """Return every method by its path, as grpclib asks for it."""
        return {
            f"/{NAME}/Check": Handler(self._check, Cardinality.UNARY_UNARY, HealthCheckRequest, HealthCheckResponse),
            f"/{NAME}/Watch": Handler(self._watch, Cardinality.UNARY_STREAM, HealthCheckRequest, HealthCheckResponse),
        }

    async def _check(self, call: ServerCall) -> None:
        request: HealthCheckRequest = await call.recv_message()
        self._admit(call, request.service)
        status = self._status(request.service)
        if status is _UNKNOWN:
            shown = request.service[:64]
            raise GRPCError(Status.NOT_FOUND, f"there is no service or model '{shown}'; an empty name is the server")
        await call.answer(HealthCheckResponse(status=status))

    async def _watch(self, call: ServerCall) -> None:
        """Send the state, then each change of it, until the server stops."""
        request = await call.recv_message()
        self._admit(call, request.service)
        last = None
        while True:
            status = self._status(request.service)
            if status is not last:
                last = status
                await call.send_message(HealthCheckResponse(status=status))
            if self._has_stopped():
                raise GRPCError(Status.UNAVAILABLE, "the server is stopping")
            await asyncio.sleep(_LOOK_S)

    def _admit(self, call: ServerCall, service: str) -> None:
        """Let everybody ask for the server's health, and for a model's only who may know of it."""
        if self._control.guard is not None and service not in _OURS:
            self._control.guard.admit(credentials_of(call.metadata, call.certificate_names), "ready", service)

    def _status(self, service: str) -> HealthCheckResponseServingStatus:
        if service in _OURS:
            return _SERVING if self._control.is_ready else _NOT_SERVING
        try:
            return _SERVING if self._control.model_is_ready(service) else _NOT_SERVING
        except ModelNotFoundError:
            return _UNKNOWN

    def _has_stopped(self) -> bool:
        """Say whether the server is stopping. Before the models are loaded it does not accept clients either."""
        self._has_accepted = getattr(self, "_has_accepted", False) or self._control.is_accepting
        return self._has_accepted and not self._control.is_accepting
