"""The one place that every call passes twice: when it begins, and when it has ended. Measurements belong here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpclib.const import Status
from mlcore.telemetry import is_tracing
from mlcore.telemetry.access_log import AccessLog

from transport_grpc.measures import CallMeasures

if TYPE_CHECKING:
    from typing import Self

    from mlcore.settings import Settings
    from mlcore.telemetry.tallies import Tallies
    from mlcore.telemetry.tracing import Tracing

    from transport_grpc.call import ServerCall

# What balancers and tools ask again and again.
_PROBES = frozenset({"ServerLive", "ServerReady", "ModelReady", "Check", "Watch", "ServerReflectionInfo"})

# Source: OpenTelemetry, semantic conventions for gRPC: the server is to blame for these.
SERVER_ERRORS = frozenset(
    {
        Status.UNKNOWN,
        Status.DEADLINE_EXCEEDED,
        Status.UNIMPLEMENTED,
        Status.INTERNAL,
        Status.UNAVAILABLE,
        Status.DATA_LOSS,
    }
)


class CallObserver:
    """Sees every call of a known method. `call.method.name` is one of a fixed list, never what a client made up.

    Args:
        measures: Measures it.
        access_log: Has a line for calls, or for those that fail.
        tracing: Says which calls are traced, if somebody collects traces.
    """

    def __init__(
        self, measures: CallMeasures, access_log: AccessLog | None = None, tracing: Tracing | None = None
    ) -> None:
        self._measures = measures
        self._access_log = access_log
        self._tracing = tracing

    @classmethod
    def of(cls, settings: Settings, tallies: Tallies) -> Self:
        """Return one for what the settings, and whoever runs the process, want to see."""
        tracing = None
        if is_tracing():
            from mlcore.telemetry.tracing import Tracing

            tracing = Tracing()
        is_off = tracing is None or tracing.is_off
        return cls(CallMeasures(tallies), AccessLog.of(settings), None if is_off else tracing)

    def begin(self, call: ServerCall) -> None:
        """Note that a call's headers are there; its messages may be not."""
        self._measures.begin(call)
        if self._tracing is not None and call.method.name.rpartition("/")[2] not in _PROBES:
            context = self._tracing.context_of(call.metadata)
            if context is not None:
                from transport_grpc.server_span import CallTrace

                call.trace = CallTrace(self._tracing, context, call)

    def end(self, call: ServerCall, status: Status) -> None:
        """Note how a call ended; `call.received` and `call.sent` are the bytes of its messages."""
        self._measures.end(call, status)
        is_server_error = status in SERVER_ERRORS
        if call.trace is not None:
            call.trace.end(call, status, is_server_error)
        if self._access_log is not None and self._access_log.wants(is_server_error):
            if call.trace is None:
                self._write(self._access_log, call, status)
            else:  # a copy: this may run within the context itself
                call.trace.context.copy().run(self._write, self._access_log, call, status)

    def _write(self, access_log: AccessLog, call: ServerCall, status: Status) -> None:
        asked = call.asked
        access_log.write(
            "POST",
            f"/{call.method.name}",
            status.name,
            since=call.arrived,
            request_bytes=call.received,
            response_bytes=call.sent,
            peer=call.peer,
            request_id=(asked.id if asked is not None else None) or call.head.request_id,
            model=asked.model_name if asked is not None else None,
            version=asked.model_version if asked is not None else None,
            is_server_error=status in SERVER_ERRORS,
        )
