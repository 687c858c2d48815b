"""Tests of the protobuf format as a whole, both ways, and with the public client of another server."""

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc
from mlcore_protocol import (
    Datatype,
    InferenceError,
    InferenceRequest,
    InferenceResponse,
    ProtobufFormat,
    ResponseOutput,
)
from mlcore_protocol.datatypes import NUMPY_DTYPES
from mlcore_protocol.errors import InternalError
from mlcore_protocol.protobuf import inference
from mlcore_protocol.protobuf_format import PROTOBUF
from tritonclient.grpc._utils import _get_inference_request

ARRAYS = {
    **{datatype: np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype) for datatype, dtype in NUMPY_DTYPES.items()},
    Datatype.FP32: np.array([[0.5, -1.25, 3.4028235e38], [np.nan, 1e-45, 0]], np.float32),
    Datatype.INT64: np.array([[2**53 + 1, -(2**63), 2**63 - 1], [0, 1, 2]]),
}


def asked(is_raw):
    return InferenceRequest(inputs=[], parameters={"binary_data_output": is_raw} if is_raw is not None else None)


def answer(**members):
    output = ResponseOutput(name="y", shape=[2], datatype="INT32", data=[1, -2])
    return InferenceResponse(model_name="m", outputs=[output], **members)


def parsed(encoded):
    assert encoded.media_type == PROTOBUF
    assert encoded.head_length is None
    return inference.ModelInferResponse.parse(b"".join(encoded.buffers))


def sent(array, datatype, **arguments):
    """Let the client make a message."""
    tensor = tritonclient.grpc.InferInput("x", list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return _get_inference_request(
        **{
            "inputs": [tensor],
            "model_name": "m",
            "model_version": "",
            "request_id": "",
            "outputs": None,
            "sequence_id": 0,
            "sequence_start": False,
            "sequence_end": False,
            "priority": 0,
            "timeout": None,
            "parameters": None,
            **arguments,
        }
    ).SerializeToString()


@pytest.mark.parametrize("datatype", [each for each in Datatype if each is not Datatype.BYTES])
def test_what_the_client_sends_is_read(datatype):
    array = ARRAYS[datatype]

    request = ProtobufFormat().decode(sent(array, datatype))

    (tensor,) = request.inputs
    assert (request.id, tensor.name, tensor.datatype, tensor.shape) == (None, "x", datatype, [2, 3])
    assert tensor.data.values.tobytes() == array.tobytes()


def test_texts_and_parameters_of_the_client_are_read():
    texts = ProtobufFormat().decode(sent(np.array(["é".encode(), b"\0"], object), "BYTES", request_id="a"))
    floats = ProtobufFormat().decode(sent(np.array([1.5], ml_dtypes.bfloat16), "BF16", priority=3, timeout=10))

    assert texts.id == "a"
    assert texts.inputs[0].data.values == ["é".encode(), b"\0"]
    assert floats.inputs[0].data.values.astype(np.float32).tolist() == [1.5]
    assert floats.parameters == {"priority": 3, "timeout": 10, "binary_data_output": True}


def test_an_answer_is_raw_where_the_request_was():
    encoded = ProtobufFormat().encode(answer(), ProtobufFormat().decode(sent(np.ones(1, np.float32), "FP32")))

    assert parsed(encoded).raw_output_contents == [np.array([1, -2], np.int32).tobytes()]


@pytest.mark.parametrize("is_raw", [False, None])
def test_an_answer_is_typed_where_the_request_was(is_raw):
    read = parsed(ProtobufFormat().encode(answer(), asked(is_raw)))

    assert read.outputs[0].contents.int_contents == [1, -2]
    assert read.raw_output_contents == []


def test_an_answer_without_id_and_version_has_empty_ones():
    read = parsed(ProtobufFormat().encode(answer(), asked(is_raw=False)))

    assert (read.id, read.model_version) == ("", "")


def test_a_json_head_is_refused():
    with pytest.raises(InferenceError, match=r"^Inference-Header-Content-Length: a protobuf message has no JSON head"):
        ProtobufFormat().decode(b"", 0)


def test_a_text_that_is_none_is_an_error_of_the_model():
    with pytest.raises(InternalError, match=r"^the model's response has a text that has no UTF-8: surrogates not"):
        ProtobufFormat().encode(answer(parameters={"p": "\ud800"}), asked(is_raw=False))
