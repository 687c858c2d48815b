"""Tests of the `data` of an output in JSON."""

import json
import re

import ml_dtypes
import numpy as np
import orjson
import pytest
from mlcore_protocol import Datatype, ResponseOutput
from mlcore_protocol.datatypes import FLOATS, NUMPY_DTYPES
from mlcore_protocol.errors import InternalError
from mlcore_protocol.json_output import write_json


def written(values, datatype, shape=None):
    shape = list(np.shape(values)) if shape is None else shape
    output = ResponseOutput(name="y", shape=shape, datatype=datatype, data=values)
    return json.loads(orjson.dumps(write_json(output), option=orjson.OPT_SERIALIZE_NUMPY))


@pytest.mark.parametrize("datatype", NUMPY_DTYPES)
@pytest.mark.parametrize("order", ["=", ">"])
def test_an_array_is_written_flat_in_row_major_order_whatever_its_memory_is(datatype, order):
    array = np.array([[0, 1, 1], [1, 0, 0]]).astype(NUMPY_DTYPES[datatype].newbyteorder(order))

    assert written(array, datatype) == [0, 1, 1, 1, 0, 0]
    assert written(np.asfortranarray(array), datatype) == [0, 1, 1, 1, 0, 0]
    assert written(array[:, ::2], datatype) == [0, 1, 1, 0]
    assert written(array[0, ::2], datatype) == [0, 1]


@pytest.mark.parametrize("datatype", ["INT8", "INT64", "UINT8", "UINT64"])
def test_the_largest_integers_are_written_exactly(datatype):
    bounds = np.iinfo(NUMPY_DTYPES[Datatype(datatype)])

    assert written(np.array([bounds.min, bounds.max], bounds.dtype), datatype) == [bounds.min, bounds.max]


@pytest.mark.parametrize("datatype", sorted(FLOATS))
def test_nan_and_the_infinities_are_null(datatype):
    array = np.array([1.5, np.nan, np.inf, -np.inf]).astype(NUMPY_DTYPES[Datatype(datatype)])

    assert written(array, datatype) == [1.5, None, None, None]


def test_half_precision_is_written_so_that_it_reads_back_exactly():
    half = np.array([0.1, 65504, 6e-8], np.float16)
    brain = np.array([0.1, 3.3895313892515355e38, 1e-40]).astype(ml_dtypes.bfloat16)

    assert np.array_equal(np.array(written(half, "FP16")).astype(np.float16), half)
    assert np.array_equal(np.array(written(brain, "BF16")).astype(ml_dtypes.bfloat16), brain)


def test_an_array_without_dimensions_has_one_element():
    assert written(np.array(0.5), "FP64") == [0.5]


def test_an_empty_array_is_an_empty_list():
    assert written(np.zeros((0, 3)), "FP64") == []


def test_integers_are_floats_too():
    assert written(np.array([1, 2]), "FP32") == [1, 2]


@pytest.mark.parametrize(
    "array",
    [np.array(["é", "b"]), np.array(["é".encode(), b"b"]), np.array(["é", b"b"], object), np.array(["é", "b"], "T")],
)
def test_an_array_of_texts_is_written_as_texts(array):
    assert written(array, "BYTES") == ["é", "b"]


@pytest.mark.parametrize(
    ("values", "data"),
    [
        (["é", b"b", None], ["é", "b", None]),
        ([["a"], [b"b"]], [["a"], ["b"]]),
        ("alone", ["alone"]),
        (b"alone", ["alone"]),
        ([np.str_("a"), np.bytes_(b"b")], ["a", "b"]),
    ],
)
def test_texts_and_bytes_of_text_are_written_as_texts(values, data):
    assert written(values, "BYTES", [len(data)]) == data


def test_a_list_of_numbers_is_written_as_it_is():
    assert written([[1.5, float("nan")], [None, np.float32(2)]], "FP32", [2, 2]) == [[1.5, None], [None, 2]]


@pytest.mark.parametrize(
    ("array", "datatype"),
    [
        (np.array([1.5]), "INT64"),
        (np.array([True]), "INT64"),
        (np.array([1]), "BOOL"),
        (np.array([1j]), "FP32"),
        (np.array(["a"]), "FP32"),
        (np.array([1.5], object), "FP64"),
        (np.array(["2020-01-01"], "M8[D]"), "INT64"),
        (np.array([1], np.longdouble), "FP64"),
    ],
)
def test_an_array_of_something_else_than_the_datatype_is_refused(array, datatype):
    with pytest.raises(InternalError, match=re.escape(f"says {datatype}, but its array holds {array.dtype}")):
        written(array, datatype)


@pytest.mark.parametrize(
    "values", [np.array([1]), [1], [["a", 1.5]], np.array(["2020-01-01"], "M8[D]"), [b"a", object()]]
)
def test_an_element_that_is_not_text_is_refused_for_bytes(values):
    with pytest.raises(InternalError, match=r"output 'y' is BYTES, but holds a (int|float|date|object)"):
        written(values, "BYTES", [len(values)])


@pytest.mark.parametrize("values", [[b"\xff"], np.array([b"\xff"])])
def test_bytes_that_are_not_text_are_refused_with_two_ways_out(values):
    with pytest.raises(InternalError, match=r"output 'y' .*not UTF-8 .*binary_data.*base64 codec"):
        written(values, "BYTES", [1])


@pytest.mark.parametrize("array", [np.zeros(3), np.array(["a", "b", "c"])])
def test_an_array_of_another_size_than_the_shape_is_refused(array):
    datatype = "FP64" if array.dtype.kind == "f" else "BYTES"

    with pytest.raises(InternalError, match=r"output 'y' says the shape \[2, 2\], but has 3 elements"):
        written(array, datatype, [2, 2])


@pytest.mark.parametrize(
    ("datatype", "shape", "values", "message"),
    [
        ("FP32", [3], [1.0, 2.0], "says the shape [3], but has 2 elements"),
        ("FP32", [2, 2], [[1.0, 2.0], [3.0]], "is no tensor of FP32"),
        ("FP32", [1], ["1.5"], "says FP32, but its list holds <U3"),
        ("INT8", [1], [object()], "says INT8, but its list holds object"),
        ("INT64", [1], [1.5], "says INT64, but its list holds float64"),
        ("BOOL", [1], [2], "says BOOL, but its list holds int64"),
        ("BYTES", [1], ["a", "b"], "says the shape [1], but has 2 elements"),
        ("BYTES", [2, 2], [["a", "b"], ["c"]], "says the shape [2, 2], but has 3 elements"),
    ],
)
def test_a_list_that_is_not_what_it_says_is_refused(datatype, shape, values, message):
    with pytest.raises(InternalError) as refused:
        write_json(ResponseOutput(name="y", shape=shape, datatype=datatype, data=values))

    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("datatype", "shape", "values"),
    [
        ("FP32", [2], [1, 2.5]),
        ("FP32", [2], [None, 2.5]),
        ("FP64", [1], 1.5),
        ("INT64", [2, 1], [[1], [2]]),
        ("UINT64", [1], [2**64 - 1]),
        ("BOOL", [0], []),
        ("BYTES", [2, 1], [["a"], ["b"]]),
        ("BYTES", [3], ["\u00e9a"]),  # shaped as its bytes
    ],
)
def test_a_list_that_is_what_it_says_is_written_as_it_is(datatype, shape, values):
    assert write_json(ResponseOutput(name="y", shape=shape, datatype=datatype, data=values)) == values
