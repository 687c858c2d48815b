"""The stub of `inference.GRPCInferenceService`, for clients."""

from __future__ import annotations

from typing import Any

from mlserver.grpc import dataplane_pb2
from mlserver.grpc.descriptors import stub_of

__all__ = ["GRPCInferenceServiceStub"]


def _streamed(data: bytes) -> Any:
    """Read one answer of a stream: bare, as MLServer's clients expect it, whichever of the two forms the server sends.

    A bare answer begins with its model's name, field 1; the other form has the answer in field 2, or an error in 1.
    """
    if data.startswith(b"\x12"):
        return dataplane_pb2.ModelStreamInferResponse.FromString(data).infer_response
    answer = dataplane_pb2.ModelInferResponse.FromString(data)
    if answer == dataplane_pb2.ModelInferResponse(model_name=answer.model_name):
        raise RuntimeError(answer.model_name)
    return answer


GRPCInferenceServiceStub = stub_of("inference.GRPCInferenceService", {"ModelStreamInfer": _streamed})
