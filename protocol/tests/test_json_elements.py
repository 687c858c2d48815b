"""Tests of the exact way from plain Python values to elements, and of the errors that it writes."""

import math

import numpy as np
import pytest
from mlcore_protocol import Datatype, InferenceError
from mlcore_protocol.datatypes import FLOATS, NUMPY_DTYPES
from mlcore_protocol.json_elements import LARGEST_FLOATS, elements_of

INTEGERS = sorted(set(NUMPY_DTYPES) - FLOATS - {"BOOL"})


def elements(data, datatype, shape=None):
    return elements_of(data, Datatype(datatype), [len(data)] if shape is None else shape, "inputs[3]")


@pytest.mark.parametrize("datatype", sorted(FLOATS))
def test_floats_take_numbers_null_and_the_texts_for_what_json_has_no_numbers(datatype):
    read = elements([1, -2.5, None, "NaN", "Infinity", "-Infinity"], datatype)

    assert read[:2] == [1.0, -2.5]
    assert [math.isnan(element) for element in read[2:4]] == [True, True]
    assert read[4:] == [math.inf, -math.inf]
    assert {type(element) for element in read} == {float}


@pytest.mark.parametrize("datatype", sorted(FLOATS))
def test_floats_take_the_infinities_and_nan_of_python(datatype):
    assert elements([math.inf, -math.inf, math.nan], datatype) == pytest.approx(
        [math.inf, -math.inf, math.nan], nan_ok=True
    )


@pytest.mark.parametrize("datatype", INTEGERS)
def test_integers_take_their_whole_range(datatype):
    bounds = np.iinfo(NUMPY_DTYPES[Datatype(datatype)])

    assert elements([bounds.min, bounds.max], datatype) == [bounds.min, bounds.max]


@pytest.mark.parametrize("datatype", INTEGERS)
@pytest.mark.parametrize("beyond", ["min", "max"])
def test_integers_out_of_range_are_refused_with_the_range(datatype, beyond):
    bounds = np.iinfo(NUMPY_DTYPES[Datatype(datatype)])
    element = bounds.min - 1 if beyond == "min" else bounds.max + 1

    with pytest.raises(InferenceError) as raised:
        elements([0, element], datatype)

    assert str(raised.value) == (
        f"inputs[3].data[1]: expected an integer from {bounds.min} to {bounds.max} for {datatype}, got {element}"
    )


def test_booleans_take_zero_and_one():
    assert elements([True, False, 1, 0], "BOOL") == [True, False, True, False]


def test_texts_may_be_bytes_or_absent():
    assert elements(["é", b"\xff", None, ""], "BYTES") == ["é", b"\xff", None, ""]


@pytest.mark.parametrize(
    ("datatype", "element", "message"),
    [
        ("FP32", "1", "expected a number for FP32, got '1'"),
        ("FP32", "nan", "expected a number for FP32, got 'nan'"),
        ("FP32", True, "expected a number for FP32, got true"),
        ("FP32", {"a": 1}, "expected a number for FP32, got an object"),
        ("FP32", 1e39, "expected a number that FP32 can hold, got 1e+39"),
        ("FP16", 70_000, "expected a number that FP16 can hold, got 70000"),
        ("BF16", -3.4e38, "expected a number that BF16 can hold, got -3.4e+38"),
        ("FP64", 10**400, f"expected a number that FP64 can hold, got 1{'0' * 63}"),
        ("INT32", 1.5, "expected an integer for INT32, got 1.5"),
        ("INT32", 1.0, "expected an integer for INT32, got 1.0"),
        ("INT32", "1", "expected an integer for INT32, got '1'"),
        ("INT8", True, "expected an integer for INT8, got true"),
        ("INT8", None, "expected an integer for INT8, got null"),
        ("UINT8", 300, "expected an integer from 0 to 255 for UINT8, got 300"),
        ("UINT32", -1, "expected an integer from 0 to 4294967295 for UINT32, got -1"),
        ("BOOL", 2, "expected true or false for BOOL, got 2"),
        ("BOOL", "true", "expected true or false for BOOL, got 'true'"),
        ("BOOL", 1.0, "expected true or false for BOOL, got 1.0"),
        ("BOOL", None, "expected true or false for BOOL, got null"),
        ("BYTES", 1, "expected a string for BYTES, got 1"),
        ("BYTES", False, "expected a string for BYTES, got false"),
        ("BYTES", {}, "expected a string for BYTES, got an object"),
    ],
)
def test_an_element_of_another_type_is_refused_with_its_index(datatype, element, message):
    with pytest.raises(InferenceError) as raised:
        elements([element], datatype)

    assert str(raised.value) == f"inputs[3].data[0]: {message}"


@pytest.mark.parametrize("element", ["x" * 10_000_000, b"x" * 10_000_000])
def test_a_long_element_is_cut_in_the_message(element):
    with pytest.raises(InferenceError, match=r"got b?'x{64}'\.\.\.$"):
        elements([element], "INT8")


@pytest.mark.parametrize("datatype", sorted(FLOATS))
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_number_is_the_last_that_does_not_round_to_infinity(datatype, sign):
    datatype = Datatype(datatype)
    largest = sign * LARGEST_FLOATS[datatype]

    with np.errstate(over="ignore"):
        rounded = np.array([largest, math.nextafter(largest, sign * math.inf)]).astype(NUMPY_DTYPES[datatype])

    assert np.isinf(rounded).tolist() == [False, True]


# Nesting


def test_a_nested_list_is_flattened_in_row_major_order():
    assert elements([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], "INT32", [2, 2, 2]) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_one_element_alone_is_a_list_of_one():
    assert elements_of(5, Datatype.INT32, [1], "x") == [5]
    assert elements_of("text", Datatype.BYTES, [], "x") == ["text"]


@pytest.mark.parametrize(("data", "shape"), [([], [0]), ([], [2, 0]), ([[], []], [2, 0]), ([], [0, 2])])
def test_an_empty_tensor_is_empty_however_it_is_nested(data, shape):
    assert elements(data, "FP32", shape) == []


@pytest.mark.parametrize(
    ("data", "shape", "message"),
    [
        ([[1, 2], [3]], [2, 2], "does not follow the shape [2, 2]: dimension 1 has 1 entries somewhere"),
        ([[1, 2, 3], [4]], [2, 2], "does not follow the shape [2, 2]: dimension 1 has 3 entries somewhere"),
        ([[1, 2]], [2], "does not follow the shape [2]: dimension 0 has 1 entries somewhere"),
        ([[1, 2]], [1], "nested deeper than the 1 dimensions of its shape"),
        ([[1]], [], "does not follow the shape []: dimension 0 has 1 entries somewhere"),
        ([[1], 2], [2, 1], "mixes elements and lists in dimension 0"),
        ([1, [2]], [2, 1], "mixes elements and lists in dimension 0"),
        ([[[1]]], [1, 1], "nested deeper than the 2 dimensions of its shape"),
        ([[[1], [2]]], [1, 2, 2], "does not follow the shape [1, 2, 2]: dimension 2 has 1 entries somewhere"),
    ],
)
def test_nesting_that_is_not_the_shape_is_refused(data, shape, message):
    with pytest.raises(InferenceError) as raised:
        elements(data, "INT32", shape)

    assert str(raised.value).startswith("inputs[3].data: ")
    assert message in str(raised.value)
