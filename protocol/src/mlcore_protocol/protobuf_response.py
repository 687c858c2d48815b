"""An `InferenceResponse` to a `ModelInferResponse`, as buffers that nobody has joined.

A large array is one of them as it lies in memory; what lies between goes into as few as possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore_protocol.binary_tensor import write_binary
from mlcore_protocol.datatypes import Datatype
from mlcore_protocol.protobuf_contents import write_contents
from mlcore_protocol.protobuf_messages import CONTENTS_OF
from mlcore_protocol.protobuf_parameters import write_parameters
from mlcore_protocol.protobuf_wire import LENGTH, varint, with_length

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcore_protocol.messages import InferenceResponse, ResponseOutput
    from mlcore_protocol.wire_format import Buffer

# Smaller pieces than this are cheaper copied than handed on by themselves.
_LARGE = 4096

_MODEL_NAME, _MODEL_VERSION, _ID, _PARAMETERS, _OUTPUTS, _RAWS = range(1, 7)
_NAME, _DATATYPE, _SHAPE, _TENSOR_PARAMETERS, _CONTENTS = range(1, 6)

_DATATYPES = {datatype: with_length(_DATATYPE, datatype.encode()) for datatype in Datatype}


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
    outputs = response.outputs
    if is_raw or not all(output.datatype in CONTENTS_OF for output in outputs):
        pieces += [with_length(_OUTPUTS, _head(output)) for output in outputs]
        for output in outputs:
            raw = write_binary(output)
            pieces += (_begun(_RAWS, len(raw)), raw)
    else:
        for output in outputs:
            contents = write_contents(output)
            length = sum(map(len, contents))
            head = _head(output) + _begun(_CONTENTS, length)
            pieces += (_begun(_OUTPUTS, len(head) + length), head, *contents)
    return _gathered(pieces)


def in_stream(response: list[Buffer]) -> list[Buffer]:
    """Return a written response as the `infer_response` of a `ModelStreamInferResponse`."""
    return [_begun(2, sum(map(len, response))), *response]


def error_in_stream(message: str) -> bytes:
    """Return an error as the `error_message` of a `ModelStreamInferResponse`."""
    return with_length(1, message.encode(errors="replace"))


def _head(output: ResponseOutput) -> bytes:
    head = with_length(_NAME, output.name.encode()) + _DATATYPES[output.datatype]
    if output.shape:
        head += with_length(_SHAPE, b"".join([varint(size) for size in output.shape]))
    if output.parameters:
        head += write_parameters(_TENSOR_PARAMETERS, output.parameters)
    return head


def _begun(number: int, length: int) -> bytes:
    """Return how a field of so many bytes begins."""
    return b"%c%b" % (number << 3 | LENGTH, varint(length))


def _gathered(pieces: Iterable[Buffer]) -> list[Buffer]:
    """Join neighbours that are small."""
    buffers: list[Buffer] = []
    small: list[Buffer] = []
    for piece in pieces:
        if len(piece) < _LARGE:
            small.append(piece)
            continue
        if small:
            buffers.append(b"".join(small))
            small = []
        buffers.append(piece)
    if small:
        buffers.append(b"".join(small))
    return buffers
