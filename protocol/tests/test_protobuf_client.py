"""The client's side of gRPC, against the server's side."""

import ml_dtypes
import numpy as np
import pytest
from mlcore_protocol import (
    InferenceError,
    InferenceRequest,
    InferenceResponse,
    Limits,
    Parameters,
    ProtobufFormat,
    RequestInput,
    RequestOutput,
    ResponseOutput,
)
from mlcore_protocol.protobuf_client import ProtobufResponseReader, write_request
from mlcore_protocol.protobuf_head import read_head
from mlcore_protocol.protobuf_response import write_response
from mlcore_protocol.protobuf_wire import with_length

ARRAYS = {
    "BOOL": np.array([[True, False]]),
    "INT8": np.array([[-128, 127]], np.int8),
    "INT64": np.array([[-(2**63), 2**63 - 1]]),
    "UINT16": np.array([[0, 65535]], np.uint16),
    "UINT64": np.array([[0, 2**64 - 1]], np.uint64),
    "FP32": np.array([[0.5, -1]], np.float32),
    "FP64": np.array([[0.1, 5e-324]]),
}


@pytest.mark.parametrize("is_raw", [True, False])
def test_a_server_reads_what_a_client_writes(is_raw):
    request = InferenceRequest(
        id="one",
        parameters=Parameters(depth=3, text="t", on=True, part=0.5),
        inputs=[
            *(RequestInput(name=name, shape=[1, 2], datatype=name, data=array) for name, array in ARRAYS.items()),
            RequestInput(
                name="b", shape=[2], datatype="BYTES", data=["a", b"\xff"], parameters={"content_type": "str"}
            ),
        ],
        outputs=[RequestOutput(name="y", parameters=Parameters(classification=2))],
    )
    body = b"".join(write_request(request, "model", "7", is_raw))
    head, got = read_head(body, Limits()), ProtobufFormat().decode(body)

    assert (head.model_name, head.model_version, got.id) == ("model", "7", "one")
    expected = {"depth": 3, "text": "t", "on": True, "part": 0.5}
    assert got.parameters == (expected | {"binary_data_output": True} if is_raw else expected)
    assert got.outputs == request.outputs
    *numbers, texts = got.inputs
    for tensor in numbers:
        assert tensor.data.values.dtype == ARRAYS[tensor.name].dtype
        assert tensor.data.values.tolist() == ARRAYS[tensor.name].tolist()
    assert (texts.data.values, texts.parameters) == ([b"a", b"\xff"], {"content_type": "str"})


def test_datatypes_without_typed_contents_go_raw():
    half = RequestInput(name="h", shape=[1], datatype="BF16", data=np.array([1.5], ml_dtypes.bfloat16))
    got = ProtobufFormat().decode(b"".join(write_request(InferenceRequest(inputs=[half]), "model")))

    assert got.inputs[0].data.values.astype(float).tolist() == [1.5]


@pytest.mark.parametrize("is_raw", [True, False])
def test_a_client_reads_what_a_server_writes(is_raw):
    response = InferenceResponse(
        model_name="model",
        model_version="7",
        id="one",
        parameters=Parameters(cached=True, headers="kept"),
        outputs=[
            *(ResponseOutput(name=name, shape=[1, 2], datatype=name, data=array) for name, array in ARRAYS.items()),
            ResponseOutput(name="b", shape=[1], datatype="BYTES", data=["a"], parameters={"content_type": "str"}),
        ],
    )
    got = ProtobufResponseReader().read(b"".join(write_response(response, is_raw)))

    assert (got.model_name, got.model_version, got.id) == ("model", "7", "one")
    assert got.parameters == {"cached": True, "headers": "kept"}
    *numbers, texts = got.outputs
    for tensor in numbers:
        assert tensor.data.values.tolist() == ARRAYS[tensor.name].tolist()
    assert (texts.data.values, texts.parameters) == ([b"a"], {"content_type": "str"})


def test_a_response_that_says_nothing_more_than_its_model_is_read():
    got = ProtobufResponseReader().read(with_length(1, b"model"))

    assert got == InferenceResponse(model_name="model", outputs=[])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x0a\x05ab", "model_name: expected 5 bytes, got 2: the message is cut off"),
        (with_length(6, b"1234"), "raw_output_contents: expected 0, one for each output without contents, got 1"),
        (
            with_length(5, with_length(1, b"y") + with_length(2, b"FP32") + with_length(3, b"\x01")),
            "outputs[0]: its elements are missing; send contents, or raw_output_contents",
        ),
    ],
)
def test_a_malformed_response_is_an_error_that_names_the_field(body, message):
    with pytest.raises(InferenceError) as error:
        ProtobufResponseReader().read(body)

    assert str(error.value) == message
