"""The V2 infer body: JSON, and JSON with binary tensors behind it.

Source: Open Inference Protocol, REST inference, and its binary tensor data extension. Strict in what a value may be,
liberal in what it ignores: unknown members are skipped.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import orjson

from mlcore_protocol.binary_tensor import read_binary, write_binary
from mlcore_protocol.datatypes import DATATYPES, NUMPY_DTYPES, Datatype
from mlcore_protocol.errors import InferenceError, InternalError
from mlcore_protocol.json_tensor import JsonTensorReader
from mlcore_protocol.limits import Limits
from mlcore_protocol.messages import InferenceRequest, Parameters, RequestInput, RequestOutput
from mlcore_protocol.tensor_data import TensorData
from mlcore_protocol.wire_format import Encoded, WireFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore_protocol.messages import InferenceResponse, MetadataTensor, ResponseOutput
    from mlcore_protocol.wire_format import Buffer

JSON = "application/json"
BINARY = "application/octet-stream"

# What the client says here is replaced: these are the transport's to fill.
_RESERVED = ("headers",)


class _Input(msgspec.Struct, gc=False):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = msgspec.Raw()
    parameters: dict[str, Any] | None = None


class _Output(msgspec.Struct, gc=False):
    name: str
    parameters: dict[str, Any] | None = None


class _Head(msgspec.Struct, gc=False):
    inputs: list[_Input]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Output] | None = None


class V2Format(WireFormat):
    """Reads and writes V2 infer bodies. One per thread, like the reader that it owns."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._decode_head = msgspec.json.Decoder(_Head).decode
        self._json = JsonTensorReader()

    def decode(
        self, body: Buffer, head_length: int | None = None, declared: Sequence[MetadataTensor] = ()
    ) -> InferenceRequest:
        """Read a request; see `WireFormat.decode`. Without `head_length` the whole body is JSON."""
        if head_length is None:
            return self._request(self._head(body), None)
        if not 0 <= head_length <= len(body):
            raise InferenceError(
                f"Inference-Header-Content-Length: expected 0 to {len(body)}, the length of the body, got {head_length}"
            )
        view = memoryview(body)
        if head_length == 0:
            return self._raw_request(view, declared)
        return self._request(self._head(view[:head_length]), view[head_length:])

    def _head(self, text: Buffer) -> _Head:
        try:
            return self._decode_head(text)
        except msgspec.ValidationError as error:
            raise InferenceError(_validation_text(error)) from None
        except RecursionError:
            raise InferenceError("the body: its nesting depth is over the limit") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InferenceError(f"the body is not valid JSON: {error}") from None

    def _request(self, head: _Head, binary: memoryview | None) -> InferenceRequest:
        limits = self._limits
        if head.id is not None and (len(head.id) > limits.max_id_length or not head.id.isprintable()):
            raise InferenceError(f"id: expected at most {limits.max_id_length} printable characters")
        if len(head.inputs) > limits.max_tensors:
            raise InferenceError(f"inputs: at most {limits.max_tensors} tensors, got {len(head.inputs)}")
        position = 0
        inputs = []
        for index, tensor in enumerate(head.inputs):
            field = f"inputs[{index}]"
            datatype = DATATYPES.get(tensor.datatype)
            if datatype is None:
                raise InferenceError(
                    f"{field}.datatype: expected one of {', '.join(DATATYPES)}, got {tensor.datatype[:64]!r}"
                )
            self._check_name(tensor.name, field)
            count = self._count(tensor.shape, field)
            parameters = self._parameters(tensor.parameters, field) if tensor.parameters else None
            if parameters and "binary_data_size" in parameters:
                size = parameters.pop("binary_data_size")
                raw = _binary_part(tensor, size, binary, position, field)
                position += size
                data = TensorData(
                    read_binary(raw, datatype, tensor.shape, count, field, limits.max_bytes_element)
                )
            elif len(memoryview(tensor.data)) == 0:
                raise InferenceError(f"{field}.data: missing; send the elements, or binary_data_size and binary data")
            else:
                data = self._json.read(tensor.data, datatype, tensor.shape, count, field)
            inputs.append(
                RequestInput(
                    name=tensor.name, shape=tensor.shape, datatype=datatype, parameters=parameters or None, data=data
                )
            )
        if binary is not None and position != len(binary):
            raise InferenceError(
                f"the body has {len(binary)} bytes after its JSON, the inputs' binary_data_size account for {position}"
            )
        if len(inputs) > 1 and len({tensor.name for tensor in inputs}) != len(inputs):
            raise InferenceError("inputs: two of them have the same name")
        return InferenceRequest(
            id=head.id,
            parameters=self._parameters(head.parameters, "") if head.parameters else None,
            inputs=inputs,
            outputs=self._outputs(head.outputs) if head.outputs else None,
        )

    def _outputs(self, wanted: list[_Output]) -> list[RequestOutput]:
        if len(wanted) > self._limits.max_tensors:
            raise InferenceError(f"outputs: at most {self._limits.max_tensors} tensors, got {len(wanted)}")
        if len({output.name for output in wanted}) != len(wanted):
            raise InferenceError("outputs: two of them have the same name")
        return [
            RequestOutput(
                name=output.name,
                parameters=self._parameters(output.parameters, f"outputs[{index}]") if output.parameters else None,
            )
            for index, output in enumerate(wanted)
        ]

    def _check_name(self, name: str, field: str) -> None:
        if not name or len(name) > self._limits.max_name_length or "\0" in name:
            raise InferenceError(f"{field}.name: expected 1 to {self._limits.max_name_length} characters without NUL")

    def _count(self, shape: list[int], field: str) -> int:
        if len(shape) > self._limits.max_dimensions:
            raise InferenceError(f"{field}.shape: at most {self._limits.max_dimensions} dimensions, got {len(shape)}")
        for size in shape:
            if not 0 <= size <= self._limits.max_elements:
                raise InferenceError(f"{field}.shape: every dimension is from 0 to {self._limits.max_elements}, got {size}")
        count = math.prod(shape)
        if count > self._limits.max_elements:
            raise InferenceError(f"{field}.shape: an element count of {count} is over the limit, {self._limits.max_elements}")
        return count

    def _parameters(self, given: dict[str, Any], field: str) -> Parameters:
        where = f"{field}.parameters" if field else "parameters"
        if len(given) > self._limits.max_parameters:
            raise InferenceError(f"{where}: at most {self._limits.max_parameters} parameters, got {len(given)}")
        kept = Parameters()
        for name, value in given.items():
            if value is None or name in _RESERVED:
                continue
            if not isinstance(value, str | bool | int | float):
                raise InferenceError(
                    f"{where}.{name[:64]}: expected a string, a number or a boolean, got "
                    f"{'an object' if isinstance(value, dict) else 'an array'}"
                )
            kept[name] = value
        return kept

    def _raw_request(self, body: memoryview, declared: Sequence[MetadataTensor]) -> InferenceRequest:
        """Read a body that is one tensor and nothing else; name, datatype and shape are the model's own."""
        if len(declared) != 1:
            raise InferenceError(
                "Inference-Header-Content-Length: 0 sends one tensor without a JSON head, which only a model that "
                f"declares exactly one input can take; this one declares {len(declared)}"
            )
        (tensor,) = declared
        datatype = DATATYPES.get(tensor.datatype)
        free = sum(size < 0 for size in tensor.shape)
        if datatype is None or free > 1:
            raise InferenceError(
                f"input '{tensor.name}': a raw body needs a declared datatype and at most one variable dimension"
            )
        if datatype is Datatype.BYTES:
            values: Any = [bytes(body)]
            shape = [1]
        else:
            known = math.prod(size for size in tensor.shape if size >= 0)
            item = known * NUMPY_DTYPES[datatype].itemsize
            if item == 0 or len(body) % item or (free == 0 and len(body) != item):
                raise InferenceError(f"input '{tensor.name}': {len(body)} bytes do not fill the shape {tensor.shape}")
            shape = [len(body) // item if size < 0 else size for size in tensor.shape]
            values = read_binary(
                body, datatype, shape, math.prod(shape), f"input '{tensor.name}'", self._limits.max_bytes_element
            )
        return InferenceRequest(
            parameters=Parameters(binary_data_output=True),
            inputs=[RequestInput(name=tensor.name, shape=shape, datatype=datatype, data=TensorData(values))],
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
            plain: dict[str, Any] = {"name": output.name, "shape": output.shape, "datatype": output.datatype.value}
            if wanted.get(output.name, binary_default):
                part = write_binary(output)
                plain["parameters"] = {**(output.parameters or {}), "binary_data_size": len(part)}
                parts.append(part)
            else:
                if output.parameters:
                    plain["parameters"] = output.parameters
                plain["data"] = _json_data(output)
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


def _binary_part(tensor: _Input, size: Any, binary: memoryview | None, position: int, field: str) -> memoryview:
    if binary is None:
        raise InferenceError(
            f"{field}.parameters.binary_data_size: binary data needs the header Inference-Header-Content-Length"
        )
    if type(size) is not int or not 0 <= size <= len(binary) - position:
        raise InferenceError(
            f"{field}.parameters.binary_data_size: expected 0 to {len(binary) - position}, the bytes that are left, got {size!r}"
        )
    if len(memoryview(tensor.data)):
        raise InferenceError(f"{field}: has both data and binary_data_size; send one of them")
    return binary[position : position + size]


def _json_data(output: ResponseOutput) -> Any:
    """Return what orjson writes as the flat `data` of `output`. NaN and the infinities become null."""
    values = output.data.values
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "iub" or values.dtype in (np.float32, np.float64):
            return np.ascontiguousarray(values).reshape(-1)
        if values.dtype.kind in "fV":
            return values.astype(np.float32).reshape(-1)
        values = values.reshape(-1).tolist()
    if output.datatype is Datatype.BYTES and isinstance(values, list):
        try:
            return [value.decode() if isinstance(value, bytes) else value for value in values]
        except UnicodeDecodeError as error:
            raise InternalError(
                f"output '{output.name}' holds bytes that are not UTF-8 ({error.reason}); ask for it with the "
                "parameter binary_data, or let the model use the base64 codec"
            ) from None
    return values


def _validation_text(error: msgspec.ValidationError) -> str:
    """Turn "Expected `int`, got `str` - at `$.inputs[0].shape[0]`" into "inputs[0].shape[0]: expected ..."."""
    what, _, where = str(error).partition(" - at `")
    field = where.removesuffix("`").removeprefix("$").removeprefix(".") or "the body"
    return f"{field}: {what[:1].lower()}{what[1:]}".replace("`", "")
