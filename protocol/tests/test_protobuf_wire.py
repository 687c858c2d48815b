"""Tests of varints, tags and fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlcore_protocol import InferenceError
from mlcore_protocol.protobuf_wire import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    MessageType,
    read_fields,
    read_text,
    read_varint,
    signed,
    varint,
    with_length,
)

MESSAGE = MessageType(
    {1: ("name", (LENGTH,)), 2: ("size", (VARINT,)), 3: ("part", (FIXED32,)), 4: ("whole", (LENGTH, FIXED64))}
)


def fields(data, where="", most=10):
    return list(read_fields(data, 0, len(data), MESSAGE, where, most))


def refusal(data, where="", most=10):
    with pytest.raises(InferenceError) as raised:
        fields(data, where, most)
    return str(raised.value)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_each_field_comes_with_its_place_and_a_varint_with_its_value(kind):
    data = kind(b"\x0a\2ab\x10\x96\1\x1d1234\x2112345678")

    assert fields(data) == [(0x0A, 2, 4), (0x10, 150, 7), (0x1D, 8, 12), (0x21, 13, 21)]


def test_a_message_may_be_empty_and_a_field_come_again():
    assert fields(b"") == []
    assert fields(b"\x10\1\x10\2") == [(0x10, 1, 2), (0x10, 2, 4)]


def test_unknown_fields_of_every_wire_type_are_skipped():
    unknown = b"\x28\x96\1" + b"\x3212"[:1] + b"\2ab" + b"\x3d1234" + b"\x4112345678" + b"\xfa\xff\xff\xff\x0f\1x"

    assert fields(unknown + b"\x10\1") == [(0x10, 1, len(unknown) + 2)]


def test_a_message_is_read_within_its_bounds_only():
    with pytest.raises(InferenceError, match="name: expected 3 bytes, got 2: the message is cut off"):
        list(read_fields(b"\x0a\3abc", 0, 4, MESSAGE, "", 10))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0a", "x.name: expected a varint, got 0 bytes of one: the message is cut off"),
        (b"\x0a\5abc", "x.name: expected 5 bytes, got 3: the message is cut off"),
        (b"\x0a\xff\xff\xff\xff\x0f", "x.name: expected 4294967295 bytes, got 0: the message is cut off"),
        (b"\x10\x96", "x.size: expected a varint, got 1 bytes of one: the message is cut off"),
        (b"\x10", "x.size: expected a varint, got 0 bytes of one: the message is cut off"),
        (b"\x10" + b"\xff" * 10 + b"\1", "x.size: expected a varint of at most 10 bytes, got more"),
        (b"\x10" + b"\xff" * 9 + b"\2", "x.size: expected a varint of at most 64 bits, got 65"),
        (b"\x1d123", "x.part: expected 4 bytes, got 3: the message is cut off"),
        (b"\x211234567", "x.whole: expected 8 bytes, got 7: the message is cut off"),
        (b"\x08\1", "x.name: expected a length, got a varint"),
        (b"\x12\1a", "x.size: expected a varint, got a length"),
        (b"\x251234", "x.whole: expected a length or 8 bytes, got 4 bytes"),
        (b"\x0b", "x.name: expected a length, got a group"),
        (b"\x0e", "x.name: expected a length, got the wire type 6"),
        (b"\x2b\x2c", "x.field 5: expected a wire type of 0, 1, 2 or 5, got 3: groups are not read"),
        (b"\x2c", "x.field 5: expected a wire type of 0, 1, 2 or 5, got 4: groups are not read"),
        (b"\x2e", "x.field 5: expected a wire type of 0, 1, 2 or 5, got 6"),
        (b"\x2f", "x.field 5: expected a wire type of 0, 1, 2 or 5, got 7"),
        (b"\x00\1", "x: expected a protobuf field, got one of number 0"),
        (b"\x80\x00\1", "x: expected a protobuf field, got one of number 0"),
        (b"\x80", "x: expected a varint, got 1 bytes of one: the message is cut off"),
        (b"\xfa\xff\xff\xff\x1f\1x", "x: a protobuf tag has more than 32 bits"),
        (b"\x8a\x80\x80\x80\x80\0\1x", "x: a protobuf tag has more than 32 bits"),
    ],
)
def test_b092_a_malformed_message_is_refused_with_the_field(data, message):
    assert refusal(data, "x") == message
    assert refusal(data) == message.removeprefix("x.").replace("x:", "the message:")


def test_more_fields_than_allowed_are_refused_without_a_look_at_them():
    assert refusal(b"\x10\1" * 11) == "the message: expected at most 10 protobuf fields, got more"
    assert refusal(b"\x28\1" * 10**6, "x") == "x: expected at most 10 protobuf fields, got more"
    assert len(fields(b"\x10\1" * 10)) == 10


@given(st.integers(0, 2**64 - 1))
def test_a_varint_is_read_as_it_was_written(value):
    written = varint(value)

    assert read_varint(written + b"x", 0, len(written), "f") == (value, len(written))


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_negative_varint_takes_ten_bytes(value):
    written = varint(value)

    assert signed(read_varint(written, 0, len(written), "f")[0]) == value
    assert value >= 0 or len(written) == 10


def test_a_varint_may_be_longer_than_it_has_to_be():
    assert read_varint(b"\x81\x80\x00", 0, 3, "f") == (1, 3)


def test_text_has_to_be_text_of_a_sane_length():
    assert read_text("é".encode(), 0, 2, 1, "x", "name") == "é"
    with pytest.raises(InferenceError, match=r"^x\.name: expected text in UTF-8, got something else \(invalid start"):
        read_text(b"\xff", 0, 1, 10, "x", "name")
    with pytest.raises(InferenceError, match=r"^id: expected at most 10 characters, got 41 bytes$"):
        read_text(bytes(41), 0, 41, 10, "", "id")


def test_a_field_of_bytes_has_its_length_in_front():
    assert with_length(1, b"ab") == b"\x0a\2ab"
    assert with_length(2, bytes(300)) == b"\x12\xac\2" + bytes(300)
