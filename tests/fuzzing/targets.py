"""What the decoders have to keep to for any bytes: each target takes bytes, and raises where something does not hold.

Only errors that are a client's may leave a decoder; what was decoded encodes to the same tensors; readers that do the
same work agree; what another library of the format refuses is refused.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from mlcore_protocol import InferenceResponse, Limits, ProtobufFormat, ResponseOutput, V2Format, json_tensor
from mlcore_protocol.datatypes import NUMPY_DTYPES, Datatype
from mlcore_protocol.errors import InferenceError, PayloadTooLargeError
from mlcore_protocol.json_elements import elements_of
from mlcore_protocol.json_head import JsonHeadReader
from mlcore_protocol.json_tensor import JsonTensorReader
from mlcore_protocol.messages import InferenceRequest, MetadataTensor, Parameters
from mlcore_protocol.protobuf_head import read_head
from mlcore_protocol.request_rules import RequestRules

if TYPE_CHECKING:
    from collections.abc import Callable

# Small ones, so that the bounds are reached with few bytes.
LIMITS = Limits(
    max_head_bytes=4096,
    max_depth=8,
    max_tensors=4,
    max_dimensions=4,
    max_elements=2**20,
    max_bytes_element=64,
    max_parameters=4,
    max_id_length=16,
    max_name_length=16,
)
A_CLIENTS_MISTAKE = (InferenceError, PayloadTooLargeError)
DECLARED = [MetadataTensor(name="x", datatype="FP32", shape=[-1, 2])]


def fuzz_json(data: bytes) -> None:
    """Read a request in JSON."""
    try:
        request = V2Format(LIMITS).decode(data)
    except A_CLIENTS_MISTAKE:
        request = None
    if request is not None:
        _check_round_trip(request)
        # Whatever else reads JSON has to see the same request.
        read = json.loads(data)
        assert [tensor.name for tensor in request.inputs] == [tensor["name"] for tensor in read["inputs"]]
        assert request.id == read.get("id")
    _check_readers(data)


def fuzz_binary(data: bytes) -> None:
    """Read a request with binary tensors behind a JSON head, whose length is the first two bytes."""
    head_length, body = int.from_bytes(data[:2], "little"), data[2:]
    try:
        request = V2Format(LIMITS).decode(body, head_length, DECLARED)
    except A_CLIENTS_MISTAKE:
        return
    _check_round_trip(request)


def fuzz_protobuf(data: bytes) -> None:
    """Read a request in protobuf, and the part of it that the front reads."""
    try:
        theirs = _Request.FromString(data)
    except DecodeError:
        theirs = None
    try:
        head = read_head(data, LIMITS)
        head.parameters()
        request = ProtobufFormat(LIMITS).decode(data)
    except A_CLIENTS_MISTAKE:
        return
    assert theirs is not None, "another library refuses it"
    assert (head.model_name, head.model_version or "", head.id or "") == (
        theirs.model_name,
        theirs.model_version,
        theirs.id,
    )
    assert [(each.name, each.datatype, each.shape) for each in request.inputs] == [
        (each.name, each.datatype, list(each.shape)) for each in theirs.inputs
    ]
    assert [each.name for each in request.outputs or ()] == [each.name for each in theirs.outputs]
    _check_round_trip(request)


TARGETS: dict[str, Callable[[bytes], None]] = {"json": fuzz_json, "binary": fuzz_binary, "protobuf": fuzz_protobuf}


def _check_round_trip(request: InferenceRequest) -> None:
    """Check that both formats write the tensors such that they are read as what they are."""
    outputs = [
        ResponseOutput(name=tensor.name, shape=tensor.shape, datatype=tensor.datatype, data=tensor.data)
        for tensor in request.inputs
    ]
    response = InferenceResponse(model_name="m", outputs=outputs)
    asked = InferenceRequest(parameters=Parameters(binary_data_output=True), inputs=request.inputs)

    encoded = V2Format(LIMITS).encode(response, asked)
    head = json.loads(encoded.buffers[0])
    text = json.dumps({"inputs": head["outputs"]}).encode()
    body = b"".join([text, *map(bytes, encoded.buffers[1:])])
    _check_same(request, V2Format(Limits()).decode(body, len(text)))

    answer = _Response.FromString(b"".join(map(bytes, ProtobufFormat(LIMITS).encode(response, asked).buffers)))
    message = _Request(raw_input_contents=answer.raw_output_contents)
    for output in answer.outputs:
        message.inputs.add().ParseFromString(output.SerializeToString())
    _check_same(request, ProtobufFormat(Limits()).decode(message.SerializeToString()))


def _check_same(request: InferenceRequest, again: InferenceRequest) -> None:
    for tensor, other in zip(request.inputs, again.inputs, strict=True):
        assert (tensor.name, tensor.datatype, tensor.shape) == (other.name, other.datatype, other.shape)
        assert _bytes_of(tensor.data.values) == _bytes_of(other.data.values)


def _bytes_of(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return values.tobytes()
    return [each.encode() if isinstance(each, str) else each or b"" for each in values]


def _check_readers(text: bytes) -> None:
    """Check that the three readers of the data of a tensor read the same, or refuse it all."""
    rules = RequestRules(LIMITS)
    try:
        head = JsonHeadReader(LIMITS).read(text)
    except A_CLIENTS_MISTAKE:
        return
    for tensor in head.inputs[: LIMITS.max_tensors]:
        try:
            datatype, count = rules.datatype(tensor.datatype, "x"), rules.count(tensor.shape, "x")
        except A_CLIENTS_MISTAKE:
            continue
        if not len(tensor.data):
            continue
        found = [
            _outcome(lambda long, d=datatype, t=tensor, c=count: _read(t.data, d, t.shape, c, long), long)
            for long in (0, 2**31)
        ]
        found.append(_outcome(lambda _, d=datatype, t=tensor, c=count: _slowly(t.data, d, t.shape, c), None))
        assert found[0] == found[1] == found[2], found


def _outcome(read: Callable[[Any], Any], argument: Any) -> Any:
    try:
        return read(argument)
    except A_CLIENTS_MISTAKE:
        return "refused"


def _read(source: msgspec.Raw, datatype: Datatype, shape: list[int], count: int, long: int) -> Any:
    """Read by simdjson where that can, or never by it."""
    kept, json_tensor._LONG = json_tensor._LONG, long
    try:
        return _bytes_of(JsonTensorReader(LIMITS.max_bytes_element).read(source, datatype, shape, count, "x").values)
    finally:
        json_tensor._LONG = kept


def _slowly(source: msgspec.Raw, datatype: Datatype, shape: list[int], count: int) -> Any:
    try:
        data = msgspec.json.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InferenceError("no JSON") from None
    if data is None:
        raise InferenceError("no data")
    elements = elements_of(data, datatype, shape, "x")
    if len(elements) != count:
        raise InferenceError("another count")
    if datatype is Datatype.BYTES:
        if any(len(each.encode()) > LIMITS.max_bytes_element for each in elements if each is not None):
            raise InferenceError("a long element")
        return _bytes_of(elements)
    return np.array(elements, NUMPY_DTYPES[datatype]).tobytes()


def _messages() -> list[Any]:
    pool = descriptor_pool.DescriptorPool()
    described = files("mlcore_protocol.protobuf").joinpath("descriptors.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(described).file:
        pool.Add(file)
    names = ("inference.ModelInferRequest", "inference.ModelInferResponse")
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names]


_Request, _Response = _messages()
