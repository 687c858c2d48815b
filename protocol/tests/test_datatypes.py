"""Tests of the datatypes and their numpy dtypes."""

import ml_dtypes
import numpy as np
import pytest
from mlcore_protocol import Datatype, datatype_of
from mlcore_protocol.datatypes import DATATYPES, FLOATS, NUMPY_DTYPES

ITEM_SIZES = {
    "BOOL": 1,
    "UINT8": 1,
    "UINT16": 2,
    "UINT32": 4,
    "UINT64": 8,
    "INT8": 1,
    "INT16": 2,
    "INT32": 4,
    "INT64": 8,
    "FP16": 2,
    "BF16": 2,
    "FP32": 4,
    "FP64": 8,
}


def test_a_datatype_is_the_text_of_its_name():
    assert Datatype.FP32 == "FP32"
    assert f"{Datatype.BYTES}" == "BYTES"


def test_every_datatype_is_found_by_its_name():
    assert {name: datatype.value for name, datatype in DATATYPES.items()} == {name: name for name in Datatype}


def test_every_datatype_but_bytes_has_a_dtype_of_the_size_that_the_protocol_says():
    assert {datatype: dtype.itemsize for datatype, dtype in NUMPY_DTYPES.items()} == ITEM_SIZES


def test_the_floats_are_those_that_hold_a_half():
    assert {datatype for datatype, dtype in NUMPY_DTYPES.items() if np.array([0.5]).astype(dtype)[0] == 0.5} == FLOATS


@pytest.mark.parametrize("datatype", NUMPY_DTYPES)
def test_a_dtype_leads_back_to_its_datatype_in_either_byte_order(datatype):
    dtype = NUMPY_DTYPES[datatype]

    assert datatype_of(dtype) is datatype
    assert datatype_of(dtype.newbyteorder(">")) is datatype


@pytest.mark.parametrize("letter", "lqLQ")
def test_either_of_two_c_types_of_one_size_has_the_datatype_of_that_size(letter):
    dtype = np.dtype(letter)

    assert datatype_of(dtype) == f"{'U' * (dtype.kind == 'u')}INT{dtype.itemsize * 8}"


@pytest.mark.parametrize("dtype", [np.dtype("S3"), np.dtype("U3"), np.dtype(object), np.dtypes.StringDType()])
def test_texts_bytes_and_objects_are_bytes(dtype):
    assert datatype_of(dtype) is Datatype.BYTES


@pytest.mark.parametrize(
    "dtype", [np.dtype("c8"), np.dtype("M8[s]"), np.dtype(ml_dtypes.float8_e4m3fn), np.dtype([("a", "f4")])]
)
def test_what_the_protocol_does_not_have_is_none(dtype):
    assert datatype_of(dtype) is None
