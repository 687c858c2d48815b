"""Tests of responses in protobuf: which form they have, and that nothing large is copied."""

import ml_dtypes
import numpy as np
import pytest
from mlcore_protocol import InferenceResponse, ResponseOutput
from mlcore_protocol.protobuf import inference
from mlcore_protocol.protobuf_response import error_in_stream, in_stream, write_response


def output(values, datatype="FP32", name="y", **members):
    return ResponseOutput(name=name, shape=list(np.shape(values)), datatype=datatype, data=values, **members)


def response(*outputs, **members):
    return InferenceResponse(model_name="m", outputs=list(outputs), **members)


def written(answer, is_raw):
    return inference.ModelInferResponse.parse(b"".join(write_response(answer, is_raw)))


def test_a_response_says_everything_that_it_has():
    array = np.array([[1, np.nan]], np.float32)

    read = written(
        response(output(array, parameters={"content_type": "np"}), model_version="v", id="a", parameters={"p": 1}),
        is_raw=False,
    )

    assert (read.model_name, read.model_version, read.id) == ("m", "v", "a")
    assert read.parameters["p"].int64_param == 1
    assert (read.outputs[0].name, read.outputs[0].datatype, read.outputs[0].shape) == ("y", "FP32", [1, 2])
    assert read.outputs[0].parameters["content_type"].string_param == "np"
    assert np.array(read.outputs[0].contents.fp32_contents, np.float32).tobytes() == array.tobytes()
    assert read.raw_output_contents == []


def test_a_raw_response_has_its_elements_behind_all_outputs():
    read = written(response(output(np.ones(2, np.int16), "INT16"), output(["ab", ""], "BYTES", "s")), is_raw=True)

    assert [each.contents for each in read.outputs] == [None, None]
    assert read.raw_output_contents == [b"\1\0\1\0", b"\2\0\0\0ab\0\0\0\0"]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_one_output_that_has_no_typed_form_makes_all_of_them_raw(dtype):
    datatype = "FP16" if dtype is np.float16 else "BF16"

    read = written(
        response(output(np.ones(1, np.int8), "INT8"), output(np.ones(1, dtype), datatype, "z")), is_raw=False
    )

    assert read.outputs[0].contents is None
    assert read.raw_output_contents == [b"\1", np.ones(1, dtype).tobytes()]


def test_a_response_may_have_no_output_and_nothing_else():
    assert write_response(response(), is_raw=True) == [b"\x0a\1m"]


@pytest.mark.parametrize("is_raw", [False, True])
def test_large_arrays_leave_as_they_lie_in_memory(is_raw):
    first, second = np.ones((100, 1000), np.float32), np.ones(5000)

    buffers = write_response(response(output(first), output(second, "FP64", "z")), is_raw)

    assert [len(each) > 4096 for each in buffers] == [False, True, False, True]
    assert np.shares_memory(np.frombuffer(buffers[1], np.uint8), first)
    assert np.shares_memory(np.frombuffer(buffers[3], np.uint8), second)


def test_a_long_name_leaves_by_itself():
    assert [len(each) for each in write_response(InferenceResponse(model_name="m" * 5000, outputs=[]), True)] == [5003]


def test_small_pieces_leave_together():
    small = np.ones(10, np.float32)

    assert len(write_response(response(output(small), output(small, name="z")), is_raw=True)) == 1


@pytest.mark.parametrize("size", [3, 5000])
def test_a_response_goes_into_a_stream_as_it_is(size):
    buffers = write_response(response(output(np.ones(size, np.float32))), is_raw=True)

    stream = in_stream(buffers)

    read = inference.ModelStreamInferResponse.parse(b"".join(stream))
    assert read.infer_response.model_name == "m"
    assert len(read.infer_response.raw_output_contents[0]) == 4 * size
    assert read.error_message == ""
    assert all(one is other for one, other in zip(stream[1:], buffers, strict=True))


def test_an_error_goes_into_a_stream():
    read = inference.ModelStreamInferResponse.parse(error_in_stream("größe: \ud800"))

    assert read.error_message == "größe: ?"
    assert read.infer_response is None
