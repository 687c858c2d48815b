"""Tests of packed varints to numpy and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlcore_protocol import InferenceError
from mlcore_protocol.protobuf_varints import count_varints, read_varints, write_varints
from mlcore_protocol.protobuf_wire import varint

DTYPES = [np.dtype(name) for name in ("?", "<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8")]


def bounds(dtype):
    return (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


def packed(values):
    return b"".join(varint(int(value)) for value in values)


def read(payload, dtype):
    return read_varints(memoryview(payload), np.dtype(dtype), "TYPE", "f")


def refusal(payload, dtype):
    with pytest.raises(InferenceError) as raised:
        read(payload, dtype)
    return str(raised.value)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", [0, 1, 3, 40, 1000])
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_what_is_written_is_read(dtype, size, data):
    smallest, largest = bounds(dtype)
    near_zero = st.integers(max(smallest, -300), min(largest, 300))
    some = data.draw(
        st.lists(st.integers(smallest, largest) | near_zero, min_size=min(size, 40), max_size=min(size, 40))
    )
    values = np.resize(np.array(some, dtype), size)

    written = bytes(write_varints(values))

    assert written == packed(values.tolist())
    assert count_varints(memoryview(written)) == size
    again = read(written, dtype)
    assert again.dtype == dtype
    assert np.array_equal(again, values)


@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
def test_arrays_larger_than_one_block_are_read_and_written(dtype):
    random = np.random.default_rng(3)
    smallest, largest = bounds(dtype)
    values = random.integers(smallest, largest, 200_000, dtype, endpoint=True)
    values[::3] = random.integers(0, 100, len(values[::3]))

    written = bytes(write_varints(values))

    assert written == packed(values.tolist())
    assert np.array_equal(read(written, dtype), values)


@pytest.mark.parametrize("some", [[], [300] * 50])
def test_varints_that_are_longer_than_they_have_to_be_are_read(some):
    payload = packed(some) + b"\x81\x00" + b"\x80" * 9 + b"\x00"

    assert read(payload, "<u4").tolist() == [*some, 1, 0]
    assert read(b"\x81\x00\x80\x00" * (1 + len(some)), "?").tolist() == [True, False] * (1 + len(some))


@pytest.mark.parametrize("some", [[], [7] * 50, [300] * 50])
@pytest.mark.parametrize("dtype", ["<i2", "<i4"])
def test_a_negative_number_of_five_bytes_is_read(some, dtype):
    assert read(packed(some) + packed([2**32 - 5]), dtype).tolist() == [*some, -5]


@pytest.mark.parametrize("before", [0, 3, 70_000])
@pytest.mark.parametrize(
    ("dtype", "value", "shown"),
    [
        ("?", 2, "0 or 1 for TYPE, got 2"),
        ("<u1", 300, "an integer from 0 to 255 for TYPE, got 300"),
        ("<u2", 2**16, "an integer from 0 to 65535 for TYPE, got 65536"),
        ("<u4", 2**32, "an integer from 0 to 4294967295 for TYPE, got 4294967296"),
        ("<u4", -1, "an integer from 0 to 4294967295 for TYPE, got 18446744073709551615"),
        ("<i1", 128, "an integer from -128 to 127 for TYPE, got 128"),
        ("<i1", -129, "an integer from -128 to 127 for TYPE, got -129"),
        ("<i1", 2**32 - 129, "an integer from -128 to 127 for TYPE, got -129"),
        ("<i2", -40_000, "an integer from -32768 to 32767 for TYPE, got -40000"),
        ("<i4", 2**33, "an integer from -2147483648 to 2147483647 for TYPE, got 8589934592"),
        ("<i4", -(2**40), "an integer from -2147483648 to 2147483647 for TYPE, got -1099511627776"),
    ],
)
def test_an_element_that_does_not_fit_is_named(before, dtype, value, shown):
    payload = b"\1" * before + varint(value) + b"\1"

    assert refusal(payload, dtype) == f"f[{before}]: expected {shown}"


@pytest.mark.parametrize("before", [0, 3, 40, 70_000])
def test_b092_a_varint_of_more_than_64_bits_is_refused(before):
    assert refusal(b"\1" * before + b"\xff" * 10 + b"\1", "<u8") == (
        f"f[{before}]: expected a varint of at most 10 bytes, got more"
    )
    assert refusal(b"\1" * before + b"\xff" * 9 + b"\2", "<u8").startswith(
        f"f[{before}]: expected a varint of at most 64 bits, got "
    )


@pytest.mark.parametrize("before", [0, 40, 70_000])
def test_b092_a_varint_that_is_cut_off_is_refused(before):
    assert "cut off" in refusal(b"\1" * before + b"\x80", "<u8")


def test_a_payload_without_an_end_is_refused():
    assert refusal(b"\xff" * 100_000 + b"\1", "<u8") == "f[0]: expected a varint of at most 10 bytes, got more"


def test_small_numbers_of_one_byte_are_views():
    payload = bytes(range(128))

    assert np.shares_memory(read(payload, "<u1"), np.frombuffer(payload, np.uint8))
    assert np.shares_memory(read(b"\1\0" * 50, "?"), read(b"\1\0" * 50, "?")) is False
