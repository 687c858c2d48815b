"""Tests of the elements of a tensor as raw bytes."""

import math
import struct

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlcore_protocol import Datatype, InferenceError, MetadataTensor, ResponseOutput
from mlcore_protocol.binary_tensor import read_binary, read_whole, write_binary
from mlcore_protocol.datatypes import NUMPY_DTYPES
from mlcore_protocol.errors import InternalError

LIMIT = 2**24


def read(raw, datatype, shape, longest=LIMIT):
    return read_binary(memoryview(raw), Datatype(datatype), shape, math.prod(shape), "inputs[0]", longest)


def written(values, datatype, shape=None):
    shape = list(np.shape(values)) if shape is None else shape
    return bytes(write_binary(ResponseOutput(name="y", shape=shape, datatype=datatype, data=values)))


def texts(*elements):
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


# Reading numbers


@pytest.mark.parametrize(
    ("datatype", "raw", "values"),
    [
        ("BOOL", b"\x01\x00", [True, False]),
        ("UINT8", b"\x00\xff", [0, 255]),
        ("UINT16", b"\x02\x01\xff\xff", [258, 65535]),
        ("UINT32", b"\x04\x03\x02\x01\x00\x00\x00\x80", [16909060, 2**31]),
        ("UINT64", b"\x01" + b"\x00" * 7 + b"\xff" * 8, [1, 2**64 - 1]),
        ("INT8", b"\x80\xff", [-128, -1]),
        ("INT16", b"\x00\x80\xfe\xff", [-(2**15), -2]),
        ("INT32", b"\x00\x00\x00\x80\x01\x00\x00\x00", [-(2**31), 1]),
        ("INT64", b"\x00" * 7 + b"\x80" + b"\x01" + b"\x00" * 7, [-(2**63), 1]),
        ("FP16", b"\x00\x3c\x00\xc0", [1.0, -2.0]),
        ("BF16", b"\x80\x3f\x00\xc0", [1.0, -2.0]),
        ("FP32", b"\x00\x00\x80\x3f\x00\x00\x00\xc0", [1.0, -2.0]),
        ("FP64", b"\x00" * 6 + b"\xf0\x3f" + b"\x00" * 7 + b"\xc0", [1.0, -2.0]),
    ],
)
def test_numbers_are_little_endian(datatype, raw, values):
    array = read(raw, datatype, [2])

    assert array.dtype == NUMPY_DTYPES[Datatype(datatype)]
    assert array.tolist() == values
    assert written(array, datatype) == raw


@pytest.mark.parametrize("datatype", NUMPY_DTYPES)
def test_an_aligned_array_is_a_view_of_the_body(datatype):
    body = bytearray(64)

    array = read(memoryview(body)[:32], datatype, [32 // NUMPY_DTYPES[datatype].itemsize])

    assert np.shares_memory(array, np.frombuffer(body, np.uint8))


@pytest.mark.parametrize("datatype", NUMPY_DTYPES)
def test_an_array_is_aligned_wherever_the_body_puts_it(datatype):
    dtype = NUMPY_DTYPES[datatype]
    body = np.zeros(64, np.uint8)

    for offset in range(8):
        body[offset : offset + 2 * dtype.itemsize] = np.array([1, 0]).astype(dtype).view(np.uint8)
        array = read(body.data[offset : offset + 2 * dtype.itemsize], datatype, [2])
        assert array.flags.aligned
        assert array.tolist() == [1, 0]
        assert np.shares_memory(array, body) == (offset % dtype.alignment == 0)


def test_an_array_of_a_body_in_bytes_cannot_be_written_to():
    array = read(bytes(8), "FP32", [2])

    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@pytest.mark.parametrize("shape", [[6], [2, 3], [3, 1, 2], [1, 1, 6]])
def test_an_array_has_the_shape(shape):
    assert read(bytes(6), "INT8", shape).shape == tuple(shape)


@pytest.mark.parametrize("shape", [[0], [3, 0], [0, 2**31 - 1]])
@pytest.mark.parametrize("datatype", ["FP32", "BOOL"])
def test_an_empty_tensor_has_its_shape(shape, datatype):
    assert read(b"", datatype, shape).shape == tuple(shape)


def test_a_tensor_without_dimensions_has_one_element():
    assert read(bytes(4), "FP32", []) == 0


@pytest.mark.parametrize("raw", [b"", bytes(7), bytes(9)])
def test_another_number_of_bytes_than_the_shape_takes_is_refused(raw):
    with pytest.raises(InferenceError) as raised:
        read(raw, "FP32", [2])

    assert str(raised.value) == f"inputs[0]: the shape [2] of FP32 takes 8 bytes, got {len(raw)}"


def test_a_boolean_that_is_neither_zero_nor_one_is_refused():
    with pytest.raises(InferenceError, match=r"inputs\[0\]: BOOL takes the bytes 0 and 1 only"):
        read(b"\x00\x01\x02", "BOOL", [3])


# Reading BYTES


def test_each_text_has_its_length_before_it():
    assert read(texts(b"", b"a", "é\0".encode()), "BYTES", [3]) == [b"", b"a", "é\0".encode()]


def test_no_texts_are_no_bytes():
    assert read(b"", "BYTES", [0]) == []


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "inputs[0]: 2 BYTES elements take at least 8 bytes, got 0"),
        (b"\0" * 7, "inputs[0]: 2 BYTES elements take at least 8 bytes, got 7"),
        (b"\xff" * 8, "inputs[0]: the length of BYTES element 0 leads beyond the tensor's 8 bytes"),
        (texts(b"a")[:-1] + b"\0" * 4, "inputs[0]: the length of BYTES element 1 leads beyond the tensor's 8 bytes"),
        (texts(b"abc") + b"\0" * 3, "inputs[0]: the length of BYTES element 1 leads beyond the tensor's 10 bytes"),
        (texts(b"abc") + b"\1\0\0\0", "inputs[0]: the length of BYTES element 1 leads beyond the tensor's 11 bytes"),
        (texts(b"a", b"b", b"c"), "inputs[0]: 5 bytes are left over after 2 BYTES elements"),
        (texts(b"a", b"b") + b"\0", "inputs[0]: 1 bytes are left over after 2 BYTES elements"),
        (texts(b"a", b"12345"), "inputs[0]: BYTES element 1 has 5 bytes, the limit is 4"),
    ],
)
def test_lengths_that_do_not_fit_are_refused_with_the_element(raw, message):
    with pytest.raises(InferenceError) as raised:
        read(raw, "BYTES", [2], longest=4)

    assert str(raised.value) == message


def test_a_shape_of_more_texts_than_there_are_bytes_costs_no_time():
    with pytest.raises(InferenceError, match="take at least 8589934588 bytes, got 8"):
        read(bytes(8), "BYTES", [2**31 - 1])


# A body that is one tensor


@pytest.mark.parametrize(
    ("shape", "size", "read_shape"),
    [
        ([2, 3], 24, [2, 3]),
        ([-1, 3], 24, [2, 3]),
        ([3, -1], 24, [3, 2]),
        ([-1], 0, [0]),
        ([-1, 0], 0, [0, 0]),
        ([], 4, []),
    ],
)
def test_a_body_tells_the_size_of_the_variable_dimension(shape, size, read_shape):
    tensor = read_whole(memoryview(bytes(size)), MetadataTensor(name="x", datatype="FP32", shape=shape), LIMIT)

    assert (tensor.name, tensor.datatype, tensor.shape) == ("x", "FP32", read_shape)
    assert tensor.data.values.shape == tuple(read_shape)


def test_a_body_of_bytes_is_one_text_without_a_length():
    tensor = read_whole(memoryview(b"abc"), MetadataTensor(name="x", datatype="BYTES", shape=[-1, -1]), LIMIT)

    assert (tensor.shape, tensor.data.values) == ([1], [b"abc"])


@pytest.mark.parametrize(
    ("datatype", "shape", "message"),
    [
        ("FP32", [2, 3], "the shape [2, 3] of FP32 takes 24 bytes, got 25"),
        ("FP32", [-1, 3], "the shape [2, 3] of FP32 takes 24 bytes, got 25"),
        ("FP32", [-1, 0], "the shape [25, 0] of FP32 takes 0 bytes, got 25"),
        ("FP32", [-1, -1], "a raw body needs a declared datatype and at most one variable dimension"),
        ("", [], "a raw body needs a declared datatype and at most one variable dimension"),
        ("BYTES", [1], "expected at most 24 bytes, got 25"),
    ],
)
def test_a_body_that_does_not_fill_the_declared_shape_is_refused(datatype, shape, message):
    with pytest.raises(InferenceError) as raised:
        read_whole(memoryview(bytes(25)), MetadataTensor(name="x", datatype=datatype, shape=shape), 24)

    assert str(raised.value) == f"input 'x': {message}"


# Writing


@pytest.mark.parametrize("datatype", NUMPY_DTYPES)
@pytest.mark.parametrize("order", ["=", ">"])
def test_an_array_is_written_in_row_major_order_whatever_its_memory_is(datatype, order):
    dtype = NUMPY_DTYPES[datatype]
    array = np.array([[0, 1, 1], [1, 0, 0]]).astype(dtype.newbyteorder(order))
    raw = np.array([0, 1, 1, 1, 0, 0]).astype(dtype).tobytes()

    assert written(array, datatype) == raw
    assert written(np.asfortranarray(array), datatype) == raw
    assert written(array[:, ::-1][:, ::-1], datatype) == raw


def test_an_array_is_written_without_a_copy():
    array = np.ones((2, 2), np.float32)

    raw = write_binary(ResponseOutput(name="y", shape=[2, 2], datatype="FP32", data=array))

    assert np.shares_memory(np.frombuffer(raw, np.uint8), array)
    assert len(raw) == 16


@pytest.mark.parametrize(
    ("values", "datatype", "shape", "raw"),
    [
        ([1, 2], "INT16", [2], b"\1\0\2\0"),
        ([[1], [2]], "INT16", [2, 1], b"\1\0\2\0"),
        ([np.int64(1), 2], "INT16", [2], b"\1\0\2\0"),
        (1, "INT16", [], b"\1\0"),
        ([True, 0], "BOOL", [2], b"\1\0"),
        ([1.5, None], "FP16", [2], b"\x00\x3e\x00\x7e"),
        ([math.nan, math.inf], "FP16", [2], b"\x00\x7e\x00\x7c"),
        ([1.0], "BF16", [1], b"\x80\x3f"),
        ([], "FP64", [0], b""),
        (np.zeros((0, 3)), "FP64", [0, 3], b""),
        (np.array(1.0), "FP64", [], struct.pack("<d", 1)),
        (["é", b"\xff", None, np.str_("b")], "BYTES", [4], texts("é".encode(), b"\xff", b"", b"b")),
        ([["a"], [b"b"]], "BYTES", [2, 1], texts(b"a", b"b")),
        ("alone", "BYTES", [1], texts(b"alone")),
        (np.array([["a"], ["bc"]]), "BYTES", [2, 1], texts(b"a", b"bc")),
        (np.array([b"a", b"bc"]), "BYTES", [2], texts(b"a", b"bc")),
        (np.array(["a", "bc"], "T"), "BYTES", [2], texts(b"a", b"bc")),
        ([], "BYTES", [0], b""),
    ],
)
def test_values_of_any_form_are_written(values, datatype, shape, raw):
    assert written(values, datatype, shape) == raw


@pytest.mark.parametrize(
    ("values", "datatype", "shape", "message"),
    [
        (np.zeros(2), "FP32", [2], "output 'y' says FP32, but its array holds float64"),
        (np.zeros(2, int), "BYTES", [2], "output 'y'.data[0]: expected a string for BYTES, got 0"),
        (np.zeros(3), "FP64", [2], "output 'y' says the shape [2], but has 3 elements"),
        ([1, 2, 3], "INT8", [2], "output 'y' says the shape [2], but has 3 elements"),
        (["a"], "BYTES", [2], "output 'y' says the shape [2], but has 1 elements"),
        ([1.5], "INT8", [1], "output 'y'.data[0]: expected an integer for INT8, got 1.5"),
        ([None], "INT8", [1], "output 'y'.data[0]: expected an integer for INT8, got null"),
        (["1"], "FP32", [1], "output 'y'.data[0]: expected a number for FP32, got '1'"),
        ([1, "a"], "BYTES", [2], "output 'y'.data[0]: expected a string for BYTES, got 1"),
        ([[1, 2], [3]], "INT8", [2, 2], "output 'y'.data: its nesting does not follow the shape [2, 2]"),
        ([[[1, 2]], [[3], [4]]], "INT8", [2, 2], ""),
    ],
)
def test_values_that_do_not_fit_are_the_models_fault(values, datatype, shape, message):
    with pytest.raises(InternalError) as raised:
        written(values, datatype, shape)

    assert str(raised.value).startswith(message)


# Both ways


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(list(NUMPY_DTYPES)), st.lists(st.integers(0, 4), max_size=3))
def test_any_bits_come_back_as_they_were(data, datatype, shape):
    size = math.prod(shape) * NUMPY_DTYPES[datatype].itemsize
    one_byte = st.integers(0, 1 if datatype == "BOOL" else 255)
    raw = bytes(data.draw(st.lists(one_byte, min_size=size, max_size=size)))

    array = read(raw, datatype, shape)

    assert array.shape == tuple(shape)
    assert written(array, datatype) == raw


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=8)))
def test_any_texts_come_back_as_they_were(elements):
    raw = written(elements, "BYTES", [len(elements)])

    assert raw == texts(*elements)
    assert read(raw, "BYTES", [len(elements)]) == elements


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=24), st.sampled_from(Datatype), st.lists(st.integers(0, 3), max_size=3))
def test_any_bytes_are_elements_or_an_error(raw, datatype, shape):
    try:
        values = read(raw, datatype, shape)
    except InferenceError:
        return
    assert written(values, datatype, shape) == raw


def test_bfloat16_is_the_upper_half_of_a_float32():
    array = read(b"\x49\x40", "BF16", [1])

    assert array.dtype == ml_dtypes.bfloat16
    assert array.astype(np.float32).tolist() == [struct.unpack("<f", b"\0\0\x49\x40")[0]]
