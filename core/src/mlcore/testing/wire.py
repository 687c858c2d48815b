"""Requests to bytes and answers back to messages: what a client does, for tests that have no client."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from mlcore_protocol import Datatype, InferenceResponse, TensorData
from mlcore_protocol.binary_tensor import read_binary, write_binary

from mlcore.engine import Answer, Call

if TYPE_CHECKING:
    from mlcore_protocol import InferenceRequest


def call_of(request: InferenceRequest, model: str, version: str | None = None, binary: bool = False) -> Call:
    """Return the call that carries a request, in JSON or with binary tensors."""
    if not binary:
        return Call(model, version, "application/json", request.model_dump_json().encode())
    plain = request.model_dump()
    plain["parameters"] = {**plain.get("parameters", {}), "binary_data_output": True}
    parts = []
    for tensor, described in zip(request.inputs, plain["inputs"], strict=True):
        part = bytes(write_binary(tensor))
        del described["data"]
        described["parameters"] = {**described.get("parameters", {}), "binary_data_size": len(part)}
        parts.append(part)
    head = json.dumps(plain).encode()
    head += b" " * (-len(head) % 8)  # so that tensors are views of the body, as behind a transport, not copies
    return Call(model, version, "application/octet-stream", bytearray(head + b"".join(parts)), len(head))


def response_of(answer: Answer) -> InferenceResponse:
    """Return the response that an answer carries."""
    body = b"".join(bytes(buffer) for buffer in answer.buffers)
    if answer.head_length is None:
        return InferenceResponse.model_validate_json(body)
    plain = json.loads(body[: answer.head_length])
    position = answer.head_length
    for output in plain["outputs"]:
        size = output["parameters"].pop("binary_data_size")
        raw = memoryview(body)[position : position + size]
        position += size
        shape = output["shape"]
        output["data"] = TensorData(
            read_binary(raw, Datatype(output["datatype"]), shape, math.prod(shape), output["name"], len(body))
        ).tolist()
    return InferenceResponse.model_validate(plain)
