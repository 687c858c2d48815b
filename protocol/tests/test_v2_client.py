"""The client's side of V2 over HTTP, against the server's side."""

import ml_dtypes
import numpy as np
import pytest
from mlcore_protocol import (
    InferenceError,
    InferenceRequest,
    InferenceResponse,
    Parameters,
    RequestInput,
    RequestOutput,
    ResponseOutput,
    V2Format,
)
from mlcore_protocol.v2_client import read_response, write_request

REQUEST = InferenceRequest(
    id="one",
    parameters=Parameters(depth=3),
    inputs=[
        RequestInput(name="x", shape=[1, 2], datatype="FP32", data=np.array([[1, 2]], np.float32)),
        RequestInput(name="b", shape=[2], datatype="BYTES", data=[b"\xff", "text"], parameters={"content_type": "str"}),
        RequestInput(name="h", shape=[1], datatype="BF16", data=np.array([1.5], ml_dtypes.bfloat16)),
    ],
    outputs=[RequestOutput(name="x"), RequestOutput(name="b", parameters=Parameters(binary_data=False))],
)


def test_a_server_reads_binary_tensors_as_they_were():
    encoded = write_request(REQUEST, is_binary=True)
    request = V2Format().decode(b"".join(encoded.buffers), encoded.head_length)

    assert encoded.media_type == "application/octet-stream"
    assert encoded.head_length % 8 == 0
    assert (request.id, request.parameters) == ("one", {"depth": 3, "binary_data_output": True})
    assert [output.model_dump() for output in request.outputs] == [output.model_dump() for output in REQUEST.outputs]
    x, b, h = request.inputs
    assert x.data.values.tolist() == [[1, 2]]
    assert (b.data.values, b.parameters) == ([b"\xff", b"text"], {"content_type": "str"})
    assert h.data.values.dtype == ml_dtypes.bfloat16


def test_a_server_reads_json_as_it_was():
    plain = InferenceRequest(inputs=[RequestInput(name="x", shape=[2], datatype="INT64", data=[1, 2**62])])
    encoded = write_request(plain)

    assert (encoded.media_type, encoded.head_length) == ("application/json", None)
    assert V2Format().decode(encoded.buffers[0]).inputs[0].data.values.tolist() == [1, 2**62]


@pytest.mark.parametrize("is_binary", [True, False])
def test_what_a_server_answers_is_read(is_binary):
    response = InferenceResponse(
        model_name="m",
        model_version="2",
        id="one",
        outputs=[
            ResponseOutput(name="y", shape=[1, 2], datatype="FP64", data=np.array([[0.1, 2]])),
            ResponseOutput(name="z", shape=[1], datatype="BYTES", data=[b"t"], parameters={"content_type": "str"}),
        ],
    )
    request = InferenceRequest(inputs=[], parameters=Parameters(binary_data_output=is_binary))
    encoded = V2Format().encode(response, request)
    y, z = (got := read_response(b"".join(encoded.buffers), encoded.head_length)).outputs

    assert (got.model_name, got.model_version, got.id) == ("m", "2", "one")
    assert (y.name, y.shape, y.data.tolist()) == ("y", [1, 2], [0.1, 2])
    assert (z.data.tolist(), z.parameters) == ([b"t"] if is_binary else ["t"], {"content_type": "str"})


@pytest.mark.parametrize(
    ("body", "head_length"),
    [
        (b"[]", 2),
        (b"{", 1),
        (b"{}", 2),
        (b'{"outputs": [{"name": "y", "shape": [4], "datatype": "FP8", "parameters": {"binary_data_size": 1}}]}', 99),
        (b'{"outputs": [{"name": "y", "shape": [4], "datatype": "FP32", "parameters": {"binary_data_size": 4}}]}.', 97),
        (b"{}", None),
        (b"{}", -1),
    ],
)
def test_what_is_no_response_is_an_error(body, head_length):
    with pytest.raises(InferenceError):
        read_response(body, head_length)
