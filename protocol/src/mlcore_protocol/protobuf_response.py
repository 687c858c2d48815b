"""An `InferenceResponse` to a `ModelInferResponse`, as buffers that nobody has joined.

A large array is one of them as it lies in memory; what lies between goes into as few as possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore_protocol.protobuf_parameters import write_parameters
from mlcore_protocol.protobuf_tensor import OUTPUTS, begun, gathered, write_tensors
from mlcore_protocol.protobuf_wire import with_length

if TYPE_CHECKING:
    from mlcore_protocol.messages import InferenceResponse
    from mlcore_protocol.wire_format import Buffer

_MODEL_NAME, _MODEL_VERSION, _ID, _PARAMETERS = range(1, 5)


def write_response(response: InferenceResponse, is_raw: bool) -> list[Buffer]:
    """Write a response.

    Args:
        response: The response.
        is_raw: Whether its elements go into `raw_output_contents`. They do so in any case if one of its outputs has a
            datatype that has no typed contents; it is all of them or none.

    Raises:
        InternalError: It holds something that has no form in protobuf.
    """
    pieces: list[Buffer] = [with_length(_MODEL_NAME, response.model_name.encode())]
    if response.model_version:
        pieces.append(with_length(_MODEL_VERSION, response.model_version.encode()))
    if response.id:
        pieces.append(with_length(_ID, response.id.encode()))
    if response.parameters:
        pieces.append(write_parameters(_PARAMETERS, response.parameters))
    pieces += write_tensors(response.outputs, OUTPUTS, is_raw)
    return gathered(pieces)


def in_stream(response: list[Buffer]) -> list[Buffer]:
    """Return a written response as the `infer_response` of a `ModelStreamInferResponse`."""
    return [begun(2, sum(map(len, response))), *response]


def error_in_stream(message: str) -> bytes:
    """Return an error as the `error_message` of a `ModelStreamInferResponse`."""
    return with_length(1, message.encode(errors="replace"))
