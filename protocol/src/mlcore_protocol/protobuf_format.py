"""The V2 infer messages of gRPC, without a library for protobuf: tensors are views of what came, and of what goes.

Source: Open Inference Protocol, gRPC. Strict in what is malformed, liberal in what it ignores: unknown fields are
skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore_protocol.errors import InferenceError, InternalError
from mlcore_protocol.limits import Limits
from mlcore_protocol.protobuf_request import ProtobufRequestReader
from mlcore_protocol.protobuf_response import write_response
from mlcore_protocol.wire_format import Encoded, WireFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore_protocol.messages import InferenceRequest, InferenceResponse, MetadataTensor
    from mlcore_protocol.wire_format import Buffer

PROTOBUF = "application/x-protobuf"


class ProtobufFormat(WireFormat):
    """Reads `ModelInferRequest` and writes `ModelInferResponse`."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._reader = ProtobufRequestReader(limits or Limits())

    def decode(
        self, body: Buffer, head_length: int | None = None, declared: Sequence[MetadataTensor] = ()
    ) -> InferenceRequest:
        """Read a request; see `WireFormat.decode`. Model and version are for whoever brought it to the model."""
        if head_length is not None:
            raise InferenceError("Inference-Header-Content-Length: a protobuf message has no JSON head; leave it out")
        return self._reader.read(body)

    def encode(self, response: InferenceResponse, request: InferenceRequest) -> Encoded:
        """Write a response; its elements are raw where the request's were, or where it asks for that."""
        is_raw = bool(request.parameters and request.parameters.get("binary_data_output"))
        try:
            return Encoded(PROTOBUF, write_response(response, is_raw))
        except UnicodeEncodeError as error:
            raise InternalError(f"the model's response has a text that has no UTF-8: {error.reason}") from error
