"""The one place that every call passes twice: when it begins, and when it has ended. Measurements belong here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlcore.logs import get_logger

if TYPE_CHECKING:
    from grpclib.const import Status

    from transport_grpc.call import ServerCall

log = get_logger("mlcore.grpc")


class CallObserver:
    """Sees every call of a known method. `call.method.name` is one of a fixed list, never what a client made up.

    Args:
        is_verbose: Whether every call is logged.
    """

    def __init__(self, is_verbose: bool) -> None:
        self._is_verbose = is_verbose

    def begin(self, call: ServerCall) -> None:
        """Note that a call's headers are there; its messages may be not."""

    def end(self, call: ServerCall, status: Status) -> None:
        """Note how a call ended; `call.received` and `call.sent` are the bytes of its messages."""
        if self._is_verbose:
            took_s = time.monotonic() - call.arrived
            log.debug("call", method=call.method.name, status=status.name, took_s=round(took_s, 6))
