"""What is measured of each call, by the names of OpenTelemetry's semantic conventions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlcore.telemetry.instruments import RPC_ACTIVE, RPC_DURATION, RPC_REQUEST_SIZE, RPC_RESPONSE_SIZE

if TYPE_CHECKING:
    from grpclib.const import Status
    from mlcore.telemetry.tallies import Histogram, Tallies

    from transport_grpc.call import ServerCall


class CallMeasures:
    """Measures calls.

    Args:
        tallies: What the server measures.
    """

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._active: dict[str, int] = {}
        self._series: dict[tuple[str, Status], tuple[Histogram, Histogram, Histogram]] = {}
        tallies.observe(RPC_ACTIVE, lambda: [(count, (name,)) for name, count in self._active.copy().items()])

    def begin(self, call: ServerCall) -> None:
        """Note that a call has begun."""
        name = call.method.name
        self._active[name] = self._active.get(name, 0) + 1

    def end(self, call: ServerCall, status: Status) -> None:
        """Note how a call ended."""
        name = call.method.name
        self._active[name] -= 1
        durations, requests, responses = self._series.get((name, status)) or self._series_of(name, status)
        durations.record(time.monotonic() - call.arrived)
        requests.record(call.received)
        responses.record(call.sent)

    def _series_of(self, name: str, status: Status) -> tuple[Histogram, Histogram, Histogram]:
        durations, requests, responses = (
            self._tallies.histogram(instrument, name, status.name)
            for instrument in (RPC_DURATION, RPC_REQUEST_SIZE, RPC_RESPONSE_SIZE)
        )
        return self._series.setdefault((name, status), (durations, requests, responses))
