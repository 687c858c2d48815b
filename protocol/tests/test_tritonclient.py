"""Tests with the public client of another server: what it sends is read, what is answered it reads."""

import numpy as np
import pytest
import tritonclient.http
from mlcore_protocol import Datatype, InferenceResponse, ResponseOutput, V2Format
from mlcore_protocol.datatypes import NUMPY_DTYPES
from tritonclient.http._utils import _get_inference_request

ARRAYS = {
    **{datatype: np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype) for datatype, dtype in NUMPY_DTYPES.items()},
    Datatype.FP32: np.array([[0.5, -1.25, 3.4028235e38], [np.nan, 1e-45, 0]], np.float32),
    Datatype.INT64: np.array([[2**53 + 1, -(2**63), 2**63 - 1], [0, 1, 2]]),
    Datatype.BYTES: np.array([["é".encode(), b"b", b""], [b"\0", b"c:d", b'"']], object),
}


def sent(inputs, outputs=None, request_id="", **parameters):
    """Let the client make a body, and read it."""
    body, head_length = _get_inference_request(
        inputs=inputs,
        request_id=request_id,
        outputs=outputs,
        sequence_id=parameters.get("sequence_id", 0),
        sequence_start=False,
        sequence_end=False,
        priority=parameters.get("priority", 0),
        timeout=parameters.get("timeout"),
        custom_parameters=parameters.get("custom"),
    )
    return V2Format().decode(body, head_length)


def client_input(name, array, datatype, is_binary):
    tensor = tritonclient.http.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=is_binary)
    return tensor


def answered(request, *outputs):
    """Let the client read an answer."""
    response = InferenceResponse(model_name="m", id=request.id, outputs=list(outputs))
    encoded = V2Format().encode(response, request)
    return tritonclient.http.InferResult.from_response_body(
        b"".join(encoded.buffers), header_length=encoded.head_length
    )


def elements(texts):
    flat = np.array(texts, object).ravel().tolist()
    return [text if isinstance(text, bytes) else text.encode() for text in flat]


@pytest.mark.parametrize(
    ("datatype", "is_binary"),
    [
        *((datatype, True) for datatype in ARRAYS),
        *(
            (datatype, False) for datatype in ARRAYS if datatype not in ("FP16", "BF16")
        ),  # these it sends in binary only
    ],
)
def test_an_input_of_the_client_is_read_as_it_was(datatype, is_binary):
    array = np.nan_to_num(ARRAYS[datatype]) if not is_binary and datatype == "FP32" else ARRAYS[datatype]

    (tensor,) = sent([client_input("x", array, datatype.value, is_binary)]).inputs

    assert (tensor.name, tensor.datatype, tensor.shape) == ("x", datatype, [2, 3])
    if datatype is Datatype.BYTES:
        assert elements(tensor.data.values) == elements(array)
    else:
        assert tensor.data.values.dtype == array.dtype
        assert np.array_equal(tensor.data.values, array, equal_nan=array.dtype.kind == "f")


def test_inputs_in_json_and_in_binary_may_be_mixed():
    request = sent(
        [
            client_input("a", np.array([1.5], np.float32), "FP32", True),
            client_input("b", np.array([b"text"], object), "BYTES", False),
            client_input("c", np.array([7], np.int8), "INT8", True),
            client_input("d", np.array([b"more"], object), "BYTES", True),
        ],
        request_id="a-1",
    )

    assert request.id == "a-1"
    assert [each.data.values[0] for each in request.inputs] == [1.5, "text", 7, b"more"]


def test_parameters_of_the_client_are_read():
    request = sent(
        [client_input("x", np.zeros(1, np.int8), "INT8", True)],
        [tritonclient.http.InferRequestedOutput("y", binary_data=True, class_count=2)],
        sequence_id=42,
        priority=1,
        timeout=1000,
        custom={"a": "b", "c": 1.5},
    )

    assert request.parameters.sequence_id == 42
    assert (request.parameters.priority, request.parameters.timeout) == (1, 1000)
    assert (request.parameters.a, request.parameters.c) == ("b", 1.5)
    assert request.outputs[0].parameters == {"binary_data": True, "classification": 2}


@pytest.mark.parametrize("is_binary", [True, False, None])
@pytest.mark.parametrize("datatype", ARRAYS)
def test_an_output_is_read_by_the_client_as_it_was(datatype, is_binary):
    outputs = None if is_binary is None else [tritonclient.http.InferRequestedOutput("y", binary_data=is_binary)]
    request = sent([client_input("x", np.zeros(1, np.int8), "INT8", True)], outputs, request_id="a-1")
    array = ARRAYS[datatype]

    result = answered(request, ResponseOutput(name="y", shape=[2, 3], datatype=datatype, data=array))

    read = result.as_numpy("y")
    assert result.get_response()["id"] == "a-1"
    assert read.shape == (2, 3)
    if datatype is Datatype.BYTES:
        assert elements(read) == elements(array)
    else:
        assert read.dtype == array.dtype
        assert np.array_equal(read, array, equal_nan=array.dtype.kind == "f")


def test_outputs_in_json_and_in_binary_may_be_mixed():
    request = sent(
        [client_input("x", np.zeros(1, np.int8), "INT8", True)],
        [
            tritonclient.http.InferRequestedOutput("a", binary_data=True),
            tritonclient.http.InferRequestedOutput("b", binary_data=False),
            tritonclient.http.InferRequestedOutput("c", binary_data=True),
        ],
    )

    result = answered(
        request,
        ResponseOutput(name="a", shape=[2], datatype="INT32", data=np.array([1, 2], np.int32)),
        ResponseOutput(name="b", shape=[1], datatype="FP64", data=np.array([0.1])),
        ResponseOutput(name="c", shape=[2], datatype="BYTES", data=["é", b"\xff"]),
    )

    assert result.as_numpy("a").tolist() == [1, 2]
    assert result.as_numpy("b").tolist() == [0.1]
    assert result.as_numpy("c").tolist() == ["é".encode(), b"\xff"]
