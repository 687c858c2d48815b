"""The span of each call that is traced.

Source: OpenTelemetry, semantic conventions for RPC server spans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore.telemetry.tracing import carrier, fail, task_context

if TYPE_CHECKING:
    from grpclib.const import Status
    from mlcore.telemetry.tracing import Tracing
    from opentelemetry.context import Context

    from transport_grpc.call import ServerCall

_LONGEST = 256


class CallTrace:
    """The span of one call.

    Args:
        tracing: How requests are traced.
        context: Where the trace comes from.
        call: The call.

    Attributes:
        context: What the call's task runs in.
        carrier: What takes the trace on.
    """

    def __init__(self, tracing: Tracing, context: Context, call: ServerCall) -> None:
        attributes: dict[str, Any] = {"rpc.system.name": "grpc", "rpc.method": call.method.name}
        if call.peer is not None:
            attributes["client.address"] = call.peer
        self._span = tracing.begin(call.method.name, context, attributes)
        self.context = task_context(self._span, context)
        self.carrier = self.context.run(carrier)

    def end(self, call: ServerCall, status: Status, is_server_error: bool) -> None:
        """Note what is only known in the end."""
        self._span.set_attribute("rpc.response.status_code", status.name)
        if call.asked is not None:
            self._span.set_attribute("mlcore.model", call.asked.model_name[:_LONGEST])
            if call.asked.model_version:
                self._span.set_attribute("mlcore.version", call.asked.model_version[:_LONGEST])
        if is_server_error:
            fail(self._span, status.name)
        self._span.end()
