"""The client's side of V2 over HTTP: an `InferenceRequest` to a body, the body of an answer to an `InferenceResponse`.

The mirror of `v2_format`, of the same pieces.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import orjson

from mlcore_protocol.binary_tensor import read_binary, write_binary
from mlcore_protocol.datatypes import DATATYPES
from mlcore_protocol.errors import InferenceError
from mlcore_protocol.messages import InferenceResponse
from mlcore_protocol.tensor_data import TensorData
from mlcore_protocol.v2_format import BINARY, JSON
from mlcore_protocol.wire_format import Encoded

if TYPE_CHECKING:
    from mlcore_protocol.messages import InferenceRequest
    from mlcore_protocol.wire_format import Buffer

_ALIGNMENT = 8
"""So that a server that takes a body as it comes has its tensors as views."""


def write_request(request: InferenceRequest, is_binary: bool = False) -> Encoded:
    """Write a request.

    Args:
        request: The request.
        is_binary: Whether the tensors are binary, behind a JSON head; then those of the answer are asked to be, too.

    Raises:
        InferenceError: A tensor holds bytes that are not UTF-8, which JSON cannot carry.
        InternalError: The elements of a tensor do not fit its datatype or shape.
    """
    if not is_binary:
        return Encoded(JSON, [request.model_dump_json().encode()])
    inputs = []
    parts: list[Buffer] = []
    for tensor in request.inputs:
        part = write_binary(tensor)
        parts.append(part)
        parameters = {**(tensor.parameters or {}), "binary_data_size": len(part)}
        inputs.append(
            {"name": tensor.name, "shape": tensor.shape, "datatype": tensor.datatype, "parameters": parameters}
        )
    head: dict[str, Any] = {} if request.id is None else {"id": request.id}
    head["parameters"] = {**(request.parameters or {}), "binary_data_output": True}
    head["inputs"] = inputs
    if request.outputs:
        head["outputs"] = [output.model_dump() for output in request.outputs]
    text = orjson.dumps(head)
    text += b" " * (-len(text) % _ALIGNMENT)
    return Encoded(BINARY, [text, *parts], len(text))


def read_response(body: Buffer, head_length: int | None = None) -> InferenceResponse:
    """Read a response.

    Args:
        body: The whole body; tensors may be views of it.
        head_length: Bytes of the JSON head, where binary tensors follow it.

    Raises:
        InferenceError: It is not a valid response.
    """
    if head_length is None:
        return InferenceResponse.model_validate_json(bytes(body))
    view = memoryview(body)
    try:
        plain = orjson.loads(view[:head_length])
        outputs = plain["outputs"]
        position = head_length
        for output in outputs:
            parameters = output.get("parameters") or {}
            size = parameters.pop("binary_data_size", None)
            if size is not None:
                shape, datatype = output["shape"], DATATYPES[output["datatype"]]
                raw, position = view[position : position + size], position + size
                output["data"] = TensorData(
                    read_binary(raw, datatype, shape, math.prod(shape), f"output '{output['name']}'", len(view))
                )
    except (LookupError, TypeError, AttributeError, orjson.JSONDecodeError) as error:
        raise InferenceError(f"not a valid response with binary tensors: {error!r}") from error
    return InferenceResponse.model_validate(plain)
