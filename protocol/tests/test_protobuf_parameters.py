"""Tests of parameters in protobuf, both ways."""

import datetime
import math

import numpy as np
import pytest
from mlcore_protocol import Datatype, InferenceError
from mlcore_protocol.errors import InternalError
from mlcore_protocol.protobuf import inference
from mlcore_protocol.protobuf_parameters import read_parameters, write_parameters
from mlcore_protocol.protobuf_wire import with_length


def written(**parameters):
    """What another library reads of written parameters."""
    read = inference.ModelInferResponse.parse(write_parameters(4, parameters)).parameters
    return {name: value.to_dict() for name, value in read.items()}


def read(*entries):
    data = b"".join(entries)
    places, start = [], 0
    for entry in entries:
        places.append((start, start + len(entry)))
        start += len(entry)
    return read_parameters(data, places, "parameters", 1000)


def entry(name, value):
    return with_length(1, name) + with_length(2, value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, {"boolParam": True}),
        (False, {"boolParam": False}),
        (0, {"int64Param": "0"}),
        (-(2**63), {"int64Param": str(-(2**63))}),
        (2**63 - 1, {"int64Param": str(2**63 - 1)}),
        (2**63, {"uint64Param": str(2**63)}),
        (2**64 - 1, {"uint64Param": str(2**64 - 1)}),
        (0.5, {"doubleParam": 0.5}),
        ("", {"stringParam": ""}),
        ("é", {"stringParam": "é"}),
        (Datatype.FP32, {"stringParam": "FP32"}),
        (np.float32(0.5), {"doubleParam": 0.5}),
        (np.int8(-1), {"int64Param": "-1"}),
        (np.bool_(True), {"boolParam": True}),
        ([1, None, "a"], {"stringParam": '[1,null,"a"]'}),
        ({"a": {"b": 0.5}}, {"stringParam": '{"a":{"b":0.5}}'}),
        (np.arange(2), {"stringParam": "[0,1]"}),
        (datetime.date(2024, 5, 6), {"stringParam": "2024-05-06"}),
    ],
)
def test_every_value_has_its_kind(value, expected):
    assert written(p=value, q=True) == {"p": expected, "q": {"boolParam": True}}


def test_what_is_none_is_left_out():
    assert written(p=None) == {}


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, object(), b"bytes", {1, 2}, [object()]])
def test_a_value_without_a_form_is_an_error_of_the_model(value):
    with pytest.raises(InternalError, match=r"^the model's response has no protobuf form: 'p'"):
        write_parameters(4, {"p": value})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\x08\1", True),
        (b"\x08\0", False),
        (b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", -1),
        (b"\x1a\2\xc3\xa9", "é"),
        (b"\x21" + bytes(6) + b"\xf0\x7f", math.inf),
        (b"\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 2**64 - 1),
        (b"\x10\5\x1a\1a", "a"),  # of a choice the last one counts
        (b"", None),
        (b"\x7a\1x", None),
    ],
)
def test_every_kind_has_its_value(value, expected):
    assert read(entry(b"p", value)) == {"p": expected}


def test_an_entry_may_be_in_any_order_and_without_anything():
    assert read(with_length(2, b"\x10\5") + with_length(1, b"p"), b"") == {"p": 5, "": None}


def test_of_two_entries_with_a_key_the_later_one_counts():
    assert read(entry(b"p", b"\x10\5"), entry(b"p", b"\x10\6")) == {"p": 6}


def test_a_value_in_two_parts_is_one():
    assert read(entry(b"p", b"\x10\5") + with_length(2, b"")) == {"p": 5}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (entry(b"p", b"\x08\2"), "parameters.p.bool_param: expected 0 or 1, got 2"),
        (entry(b"p", b"\x1a\1\xff"), "parameters.p.string_param: expected text in UTF-8, got something else (invalid"),
        (entry(b"\xff", b""), "parameters.key: expected text in UTF-8, got something else (invalid start byte)"),
        (entry(b"p", b"\x21123"), "parameters.p.double_param: expected 8 bytes, got 3: the message is cut off"),
        (entry(b"p", b"\x0a\1"), "parameters.p.bool_param: expected a varint, got a length"),
        (b"\x0a\5p", "parameters.key: expected 5 bytes, got 1: the message is cut off"),
        (entry(b"p", b"\x10\1" * 17), "parameters.p: expected at most 16 protobuf fields, got more"),
    ],
)
def test_b092_a_malformed_parameter_is_refused_with_its_name(bad, message):
    with pytest.raises(InferenceError) as raised:
        read(bad)

    assert str(raised.value).startswith(message)
