"""The codec `np`: what an array becomes, and what a tensor becomes."""

import ml_dtypes
import numpy as np
import pytest
from mlcore.codecs import CodecError, NumpyCodec, NumpyRequestCodec
from mlcore.errors import InternalError
from mlcore.types import InferenceRequest, RequestInput, ResponseOutput


def tensor(datatype, shape, data):
    return RequestInput(name="x", shape=shape, datatype=datatype, data=data)


@pytest.mark.parametrize(
    ("array", "datatype", "shape", "data"),
    [
        (np.array([1, 2, 3]), "INT64", [3, 1], [1, 2, 3]),
        (np.array([[1, 2], [3, 4]]), "INT64", [2, 2], [1, 2, 3, 4]),
        (np.array([1, 2], dtype=np.int32), "INT32", [2, 1], [1, 2]),
        (np.array([1, 2], dtype=np.uint8), "UINT8", [2, 1], [1, 2]),
        (np.array([True, False]), "BOOL", [2, 1], [True, False]),
        (np.array([2.5, 3.5]), "FP64", [2, 1], [2.5, 3.5]),
        (np.array([2.5], dtype=np.float32), "FP32", [1, 1], [2.5]),
        (np.array([2.5], dtype=np.float16), "FP16", [1, 1], [2.5]),
        (np.array([2.5], dtype=ml_dtypes.bfloat16), "BF16", [1, 1], [2.5]),
        (np.array([2.3, 3.4, np.nan]), "FP64", [3, 1], [2.3, 3.4, None]),
        (np.array([1, 2], dtype=">i2"), "INT16", [2, 1], [1, 2]),
        (np.array([1.5], dtype=">f4"), "FP32", [1, 1], [1.5]),
        (np.array(3.0), "FP64", [1], [3.0]),
        (np.zeros((0, 3)), "FP64", [0, 3], []),
        (np.zeros((0,)), "FP64", [0, 1], []),
        (np.zeros((2, 1, 2)), "FP64", [2, 1, 2], [0, 0, 0, 0]),
        (np.array([[1, 2], [3, 4]]).T, "INT64", [2, 2], [1, 3, 2, 4]),
        (np.array(["foo", "bar"]), "BYTES", [2, 1], ["foo", "bar"]),
        (np.array([None, "bar"]), "BYTES", [2, 1], [None, "bar"]),
        (np.array([b"a", b"bc"]), "BYTES", [2, 1], [b"a", b"bc"]),
        (np.array([[b"\x01"], [b"\x02"]]), "BYTES", [2, 1], [b"\x01", b"\x02"]),
    ],
)
def test_an_array_becomes_a_tensor(array, datatype, shape, data):
    output = NumpyCodec.encode_output("y", array)

    assert (output.name, str(output.datatype), output.shape, output.data.tolist()) == ("y", datatype, shape, data)
    assert output.parameters == {"content_type": "np"}
    assert isinstance(output, ResponseOutput)


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "expected", "dtype"),
    [
        ("INT32", [3], [1, 2, 3], [1, 2, 3], np.int32),
        ("INT64", [3, 1], [1, 2, 3], [[1], [2], [3]], np.int64),
        ("UINT8", [2, 2], [1, 2, 3, 4], [[1, 2], [3, 4]], np.uint8),
        ("UINT8", [2, 2], [[1, 2], [3, 4]], [[1, 2], [3, 4]], np.uint8),
        ("BOOL", [2], [True, False], [True, False], np.bool_),
        ("FP64", [], 3.0, 3.0, np.float64),
        ("FP32", [-1, 3], [1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]], np.float32),
        ("FP16", [2], [1.5, None], [1.5, np.nan], np.float16),
        ("BF16", [2], [1.5, 2], [1.5, 2], ml_dtypes.bfloat16),
        ("FP32", [3], ["NaN", "Infinity", "-Infinity"], [np.nan, np.inf, -np.inf], np.float32),
        ("FP64", [0], [], [], np.float64),
        ("BYTES", [2], ["foo", "bar"], ["foo", "bar"], np.dtype("<U3")),
        ("BYTES", [2, 1], ["foo", "bar"], [["foo"], ["bar"]], np.dtype("<U3")),
        ("BYTES", [2, 1], [b"\x01", b"\x02\x00"], [[b"\x01"], [b"\x02\x00"]], object),
        ("BYTES", [2], ["a", "b\0"], ["a", "b\0"], object),
        ("BYTES", [2], [None, "b"], [None, "b"], object),
        ("BYTES", [0], [], [], object),
    ],
)
def test_a_tensor_becomes_an_array_of_its_shape(datatype, shape, data, expected, dtype):
    array = NumpyCodec.decode_input(tensor(datatype, shape, data))

    assert array.dtype == dtype
    assert list(array.shape) == [size if size >= 0 else 2 for size in shape]
    if array.dtype.kind in "fV":
        np.testing.assert_array_equal(array.astype(float), np.array(expected, dtype=float))
    else:
        assert array.tolist() == expected


def test_an_array_in_a_tensor_is_taken_as_it_is():
    array = np.arange(6.0)

    assert NumpyCodec.decode_input(tensor("FP64", [6], array)) is array
    assert NumpyCodec.decode_input(tensor("FP64", [2, 3], array)).base is array


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "message"),
    [
        ("FP32", [3], ["1", "2", "3"], "'x'.data[0]: expected a number for FP32, got '1'"),
        ("INT32", [1], [1.9], "'x'.data[0]: expected an integer for INT32, got 1.9"),
        ("INT32", [1], [None], "'x'.data[0]: expected an integer for INT32, got null"),
        ("INT8", [1], [300], "'x'.data[0]: expected an integer from -128 to 127 for INT8, got 300"),
        ("BOOL", [1], ["true"], "'x'.data[0]: expected true or false for BOOL, got 'true'"),
        ("FP32", [2, 2], [[1, 2], [3]], "'x'.data: its nesting does not follow the shape [2, 2]"),
        ("FP32", [7], [1, 2], "'x': the shape [7] does not fit its 2 elements"),
        ("FP32", [2], np.arange(3.0), "'x': the shape [2] does not fit its 3 elements"),
        ("FP32", [1], None, "'x': has no data"),
    ],
)
def test_what_does_not_fit_is_the_clients_error_and_names_tensor_and_element(datatype, shape, data, message):
    with pytest.raises(CodecError) as raised:
        NumpyCodec.decode_input(tensor(datatype, shape, data))

    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("array", [np.array([1j]), np.array(["2024-01-01"], dtype="datetime64[D]")])
def test_an_array_without_a_datatype_is_the_models_error(array):
    with pytest.raises(InternalError, match="have no datatype in the protocol; convert them to numbers or text"):
        NumpyCodec.encode_output("y", array)


@pytest.mark.parametrize(("payload", "expected"), [(np.array([1]), True), ([1], False), (1.0, False), ("a", False)])
def test_only_arrays_are_encoded(payload, expected):
    assert NumpyCodec.can_encode(payload) is NumpyRequestCodec.can_encode(payload) is expected


def test_what_is_written_is_not_copied():
    array = np.arange(6.0).reshape(2, 3)

    assert np.shares_memory(NumpyCodec.encode_output("y", array).data.values, array)


def test_a_whole_request_and_response_of_one_array():
    request = NumpyRequestCodec.encode_request(np.array([[1, 2]]))
    response = NumpyRequestCodec.encode_response("m", np.array([[1, 2]]), "v1")

    assert (request.inputs[0].name, request.parameters) == ("input-1", {"content_type": "np"})
    assert (response.model_name, response.model_version, response.outputs[0].name) == ("m", "v1", "output-1")
    assert NumpyRequestCodec.decode_request(request).tolist() == [[1, 2]]
    assert NumpyRequestCodec.decode_response(response).tolist() == [[1, 2]]
    assert NumpyCodec.decode_output(response.outputs[0]).tolist() == [[1, 2]]


@pytest.mark.parametrize(("names", "shown"), [([], "none"), (["a", "b"], "'a', 'b'")])
def test_a_request_codec_takes_exactly_one_tensor(names, shown):
    request = InferenceRequest(inputs=[NumpyCodec.encode_input(name, np.array([1])) for name in names])

    with pytest.raises(CodecError) as raised:
        NumpyRequestCodec.decode_request(request)

    assert str(raised.value) == (
        f"inputs: the content type 'np' takes exactly one input tensor, got {len(names)} ({shown})"
    )
