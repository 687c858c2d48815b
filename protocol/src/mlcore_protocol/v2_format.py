"""The V2 infer body: JSON, and JSON with binary tensors behind it.

Source: Open Inference Protocol, REST inference, and its binary tensor data extension. Strict in what a value may be,
liberal in what it ignores: unknown members are skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from mlcore_protocol.binary_tensor import read_binary, read_whole, write_binary
from mlcore_protocol.errors import InferenceError, InternalError
from mlcore_protocol.json_head import JsonHeadReader
from mlcore_protocol.json_output import write_json
from mlcore_protocol.json_tensor import JsonTensorReader
from mlcore_protocol.limits import Limits
from mlcore_protocol.messages import InferenceRequest, Parameters, RequestInput, RequestOutput
from mlcore_protocol.request_rules import RequestRules
from mlcore_protocol.tensor_data import TensorData
from mlcore_protocol.wire_format import Encoded, WireFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore_protocol.json_head import InputHead, OutputHead, RequestHead
    from mlcore_protocol.messages import InferenceResponse, MetadataTensor
    from mlcore_protocol.wire_format import Buffer

JSON = "application/json"
BINARY = "application/octet-stream"


class V2Format(WireFormat):
    """Reads and writes V2 infer bodies. One per thread, like the reader that it owns."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._rules = RequestRules(self._limits)
        self._fields = [f"inputs[{index}]" for index in range(self._limits.max_tensors)]
        self._heads = JsonHeadReader(self._limits)
        self._tensors = JsonTensorReader(self._limits.max_bytes_element)

    def decode(
        self, body: Buffer, head_length: int | None = None, declared: Sequence[MetadataTensor] = ()
    ) -> InferenceRequest:
        """Read a request; see `WireFormat.decode`. Without `head_length` the whole body is JSON."""
        binary = None
        if head_length is not None:
            if not 0 <= head_length <= len(body):
                raise InferenceError(
                    f"Inference-Header-Content-Length: expected 0 to {len(body)}, the length of the body, "
                    f"got {head_length}"
                )
            if head_length == 0:
                return self._raw_request(memoryview(body), declared)
            binary = memoryview(body)[head_length:]
            body = body[:head_length]
        text = bytes(body) if isinstance(body, memoryview) else body
        try:
            return self._request(self._heads.read(text), binary)
        except InferenceError:
            self._heads.check_depth(text)
            raise

    def _request(self, head: RequestHead, binary: memoryview | None) -> InferenceRequest:
        rules = self._rules
        if head.id is not None:
            rules.check_id(head.id)
        rules.check_inputs(len(head.inputs))
        position = 0
        inputs = []
        for index, tensor in enumerate(head.inputs):
            field = self._fields[index]
            datatype = rules.datatype(tensor.datatype, field)
            rules.check_name(tensor.name, field)
            count = rules.count(tensor.shape, field)
            parameters = rules.parameters(tensor.parameters, field) if tensor.parameters else None
            if parameters and "binary_data_size" in parameters:
                raw = _binary_part(tensor, parameters.pop("binary_data_size"), binary, position, field)
                position += len(raw)
                data = TensorData(
                    read_binary(raw, datatype, tensor.shape, count, field, self._limits.max_bytes_element)
                )
            elif len(tensor.data):
                data = self._tensors.read(tensor.data, datatype, tensor.shape, count, field)
            else:
                raise InferenceError(f"{field}.data: missing; send the elements, or binary_data_size and binary data")
            inputs.append(
                RequestInput(
                    name=tensor.name, shape=tensor.shape, datatype=datatype, parameters=parameters or None, data=data
                )
            )
        if binary is not None and position != len(binary):
            raise InferenceError(
                f"the body has {len(binary)} bytes after its JSON, the inputs' binary_data_size account for {position}"
            )
        rules.check_distinct(inputs, "inputs")
        return InferenceRequest(
            id=head.id,
            parameters=rules.parameters(head.parameters, "") if head.parameters else None,
            inputs=inputs,
            outputs=self._outputs(head.outputs) if head.outputs else None,
        )

    def _outputs(self, heads: list[OutputHead]) -> list[RequestOutput]:
        self._rules.check_outputs(len(heads))
        self._rules.check_distinct(heads, "outputs")
        outputs = []
        for index, output in enumerate(heads):
            field = f"outputs[{index}]"
            self._rules.check_name(output.name, field)
            parameters = self._rules.parameters(output.parameters, field) if output.parameters else None
            outputs.append(RequestOutput(name=output.name, parameters=parameters))
        return outputs

    def _raw_request(self, body: memoryview, declared: Sequence[MetadataTensor]) -> InferenceRequest:
        """Read a body that is one tensor and nothing else; name, datatype and shape are the model's own."""
        declared = [tensor for tensor in declared if not (tensor.parameters and tensor.parameters.get("optional"))]
        if len(declared) != 1:
            raise InferenceError(
                "Inference-Header-Content-Length: 0 sends one tensor without a JSON head, which only a model that "
                f"declares exactly one input can take; this one declares {len(declared)}"
            )
        return InferenceRequest(
            parameters=Parameters(binary_data_output=True),
            inputs=[read_whole(body, declared[0], self._limits.max_bytes_element)],
        )

    def encode(self, response: InferenceResponse, request: InferenceRequest) -> Encoded:
        """Write a response; each output is JSON or binary as the request's parameters ask."""
        binary_default = bool(request.parameters and request.parameters.get("binary_data_output"))
        wanted = {
            output.name: bool(output.parameters["binary_data"])
            for output in request.outputs or ()
            if output.parameters and "binary_data" in output.parameters
        }
        parts: list[Buffer] = []
        outputs = []
        for output in response.outputs:
            plain: dict[str, Any] = {"name": output.name, "shape": output.shape, "datatype": output.datatype}
            if wanted.get(output.name, binary_default):
                part = write_binary(output)
                plain["parameters"] = {**(output.parameters or {}), "binary_data_size": len(part)}
                parts.append(part)
            else:
                if output.parameters:
                    plain["parameters"] = output.parameters
                plain["data"] = write_json(output)
            outputs.append(plain)
        head: dict[str, Any] = {"model_name": response.model_name}
        if response.model_version is not None:
            head["model_version"] = response.model_version
        if response.id is not None:
            head["id"] = response.id
        if response.parameters:
            head["parameters"] = response.parameters
        head["outputs"] = outputs
        try:
            text = orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY)
        except orjson.JSONEncodeError as error:
            raise InternalError(f"the model's response has no JSON form: {error}") from error
        if not parts:
            return Encoded(JSON, [text])
        return Encoded(BINARY, [text, *parts], len(text))


def _binary_part(tensor: InputHead, size: Any, binary: memoryview | None, position: int, field: str) -> memoryview:
    if binary is None:
        raise InferenceError(
            f"{field}.parameters.binary_data_size: binary data needs the header Inference-Header-Content-Length"
        )
    if type(size) is not int or not 0 <= size <= len(binary) - position:
        raise InferenceError(
            f"{field}.parameters.binary_data_size: expected 0 to {len(binary) - position}, the bytes that are left, "
            f"got {repr(size)[:64]}"
        )
    if len(tensor.data):
        raise InferenceError(f"{field}: has both data and binary_data_size; send one of them")
    return binary[position : position + size]
