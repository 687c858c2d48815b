"""Tests of the `data` of a tensor in JSON: every way in gives the same."""

import json
import math
import sys
import threading
import tracemalloc

import ml_dtypes
import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlcore_protocol import Datatype, InferenceError
from mlcore_protocol.datatypes import FLOATS, NUMPY_DTYPES
from mlcore_protocol.json_elements import elements_of
from mlcore_protocol.json_tensor import JsonTensorReader

LONG = 5_000
"""So many bytes more, and a list is read in the way for long ones."""


def without_simdjson():
    """Return a reader as it is on a Python for which simdjson has no wheels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "simdjson", None)
        return JsonTensorReader()


READERS = {"with simdjson": JsonTensorReader(), "without simdjson": without_simdjson()}


def raw(data):
    return msgspec.Raw(data if isinstance(data, bytes) else json.dumps(data).encode())


def read(data, datatype, shape=None, reader=None):
    shape = [len(data)] if shape is None else shape
    return (reader or JsonTensorReader()).read(raw(data), Datatype(datatype), shape, math.prod(shape), "inputs[0]")


def longer(text):
    """The same JSON with so much white space in it that the way for long lists takes it."""
    return b" " * LONG + text


# What each datatype takes


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("BOOL", [True, False]),
        ("UINT8", [0, 255]),
        ("UINT16", [0, 2**16 - 1]),
        ("UINT32", [0, 2**32 - 1]),
        ("UINT64", [0, 2**63, 2**64 - 1]),
        ("INT8", [-128, 127]),
        ("INT16", [-(2**15), 2**15 - 1]),
        ("INT32", [-(2**31), 2**31 - 1]),
        ("INT64", [-(2**63), 2**53 + 1, 2**63 - 1]),
        ("FP16", [0.5, -65504.0, 65504]),
        ("BF16", [0.5, -3.3895313892515355e38, 2]),
        ("FP32", [0.5, -3.4028235e38, 3.4028234663852886e38, 2]),
        ("FP64", [0.5, -1.7976931348623157e308, 5e-324, 2]),
    ],
)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("form", [bytes, longer])
def test_numbers_are_read_exactly(datatype, data, reader, form):
    dtype = NUMPY_DTYPES[Datatype(datatype)]

    values = read(form(json.dumps(data).encode()), datatype, [len(data)], READERS[reader]).values

    assert values.dtype == dtype
    assert values.tolist() == np.array(data, dtype).tolist()


def test_texts_are_read_exactly():
    data = ["", "é", "\0", "\U0001f600", '"\\/\n']

    assert read(data, "BYTES").values == data


def test_an_absent_text_is_none():
    assert read(["a", None], "BYTES").values == ["a", None]


def test_nested_texts_are_flat():
    assert read([["a"], ["b"]], "BYTES", [2, 1]).values == ["a", "b"]


@pytest.mark.parametrize("form", [bytes, longer])
@pytest.mark.parametrize("datatype", sorted(FLOATS))
@pytest.mark.parametrize("shape", [[3], [1, 3], [3, 1]])
def test_null_and_texts_stand_for_the_floats_that_json_has_not(form, datatype, shape):
    with_null = read(form(b"[1, null, 3]"), datatype, shape).values
    with_texts = read(form(b'["NaN", "Infinity", "-Infinity"]'), datatype, shape).values

    assert with_null.shape == with_texts.shape == tuple(shape)
    assert np.array_equal(with_null.ravel().astype(float), [1, np.nan, 3], equal_nan=True)
    assert np.array_equal(with_texts.ravel().astype(float), [np.nan, np.inf, -np.inf], equal_nan=True)


@pytest.mark.parametrize("reader", READERS)
def test_nested_null_is_nan_too(reader):
    values = read([[1, None], [3, 4]], "FP32", [2, 2], READERS[reader]).values

    assert np.array_equal(values, np.array([[1, np.nan], [3, 4]], np.float32), equal_nan=True)


def test_zero_and_one_are_booleans():
    assert read([1, 0, True], "BOOL").values.tolist() == [True, False, True]


@pytest.mark.parametrize("form", [bytes, longer])
@pytest.mark.parametrize("datatype", ["FP32", "INT32"])
def test_minus_zero_is_zero(form, datatype):
    values = read(form(b"[-0]"), datatype, [1]).values

    assert (values[0], np.signbit(values[0])) == (0, False)


@pytest.mark.parametrize("form", [bytes, longer])
def test_the_smallest_numbers_become_zero(form):
    assert read(form(b"[1e-400, 1e-50, 1e-45]"), "FP32", [3]).values.tolist() == [0, 0, 2**-149]


@pytest.mark.parametrize("shape", [[], [1], [1, 1]])
def test_one_element_may_stand_alone(shape):
    assert read(b"5", "INT32", shape).values == np.full(shape, 5)
    assert read(b'"a"', "BYTES", shape).values == ["a"]


@pytest.mark.parametrize("form", [bytes, longer])
@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (b"[]", [0]),
        (b"[]", [3, 0]),
        (b"[[], [], []]", [3, 0]),
        (b"[]", [0, 3]),
        (b"[[[]]]", [1, 1, 0]),
        (b"[[]]", [1, 0, 5]),
    ],
)
@pytest.mark.parametrize("reader", READERS)
def test_an_empty_tensor_has_its_shape(form, text, shape, reader):
    assert read(form(text), "FP32", shape, READERS[reader]).values.shape == tuple(shape)


def test_the_elements_as_written_are_kept():
    data = read(b"[[1, null], [2.50, 1e2]]", "FP32", [2, 2])

    assert data.root == [[1, None], [2.5, 100.0]]


# What it refuses


@pytest.mark.parametrize("form", [bytes, longer])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("text", "datatype", "message"),
    [
        (b"[1, 2]", "FP32", "inputs[0].data: the shape [3] takes 3 elements, got 2"),
        (b"[1, 2, 3, 4]", "INT32", "inputs[0].data: the shape [3] takes 3 elements, got 4"),
        (b"[]", "BOOL", "inputs[0].data: the shape [3] takes 3 elements, got 0"),
        (b'["a"]', "BYTES", "inputs[0].data: the shape [3] takes 3 elements, got 1"),
        (b"null", "FP32", "inputs[0].data: expected the elements, got null"),
        (b"null", "BYTES", "inputs[0].data: expected the elements, got null"),
        (b"{}", "FP32", "inputs[0].data[0]: expected a number for FP32, got an object"),
        (b'[1, 2, "3"]', "FP32", "inputs[0].data[2]: expected a number for FP32, got '3'"),
        (b"[1, 2, true]", "FP32", "inputs[0].data[2]: expected a number for FP32, got true"),
        (b"[1, 1e39, 2]", "FP32", "inputs[0].data[1]: expected a number that FP32 can hold, got 1e+39"),
        (b"[1, -1e39, 2]", "BF16", "inputs[0].data[1]: expected a number that BF16 can hold, got -1e+39"),
        (b"[1, 2, 70000]", "FP16", "inputs[0].data[2]: expected a number that FP16 can hold, got 70000"),
        (b"[1, 2, 1e400]", "FP64", "inputs[0].data[2]: number out of range"),
        (b"[1.5, 2, 3]", "INT32", "inputs[0].data[0]: expected an integer for INT32, got 1.5"),
        (b"[1, 2.0, 3]", "INT64", "inputs[0].data[1]: expected an integer for INT64, got 2.0"),
        (b"[1, 1E5, 3]", "INT64", "inputs[0].data[1]: expected an integer for INT64, got 100000.0"),
        (b"[1, 2, 300]", "UINT8", "inputs[0].data[2]: expected an integer from 0 to 255 for UINT8, got 300"),
        (b"[1, -1, 3]", "UINT32", "inputs[0].data[1]: expected an integer from 0 to 4294967295 for UINT32, got -1"),
        (b"[1, -1, 3]", "UINT64", "inputs[0].data[1]: expected an integer from 0 to 18446744073709551615 for UINT64"),
        (
            b"[1, 2, 18446744073709551616]",
            "UINT64",
            "inputs[0].data[2]: expected an integer from 0 to 1844674407370955",
        ),
        (
            b"[1, 2, 9223372036854775808]",
            "INT64",
            "inputs[0].data[2]: expected an integer from -9223372036854775808 to",
        ),
        (b"[1, 2, -9223372036854775809]", "INT64", "inputs[0].data[2]: expected an integer from -922337203685477580"),
        (b"[%s]" % (b"9" * 10_000), "INT64", "inputs[0].data[0]: integer value out of range"),
        (b"[%s]" % (b"9" * 1_000_000), "FP64", "inputs[0].data[0]: integer value out of range"),
        (b"[true, 1, 1]", "INT8", "inputs[0].data[0]: expected an integer for INT8, got true"),
        (b"[1, null, 1]", "INT8", "inputs[0].data[1]: expected an integer for INT8, got null"),
        (b"[0, 1, 2]", "BOOL", "inputs[0].data[2]: expected true or false for BOOL, got 2"),
        (b'["a", 1, "b"]', "BYTES", "inputs[0].data[1]: expected a string for BYTES, got 1"),
        (b"[[1, 2], [3]]", "FP32", "inputs[0].data: its nesting does not follow the shape [3]"),
        (b"[[[1], [2], [3]]]", "FP32", "inputs[0].data: its nesting does not follow the shape [3]"),
        (b"[1, [2], 3]", "FP32", "inputs[0].data: nested deeper than the 1 dimensions of its shape"),
        (b'["\xff", 1, 2]', "FP32", "inputs[0].data: not valid JSON: "),
        (b'["\xff", "a", "b"]', "BYTES", "inputs[0].data: not valid JSON: "),
        (b'["\\ud800 alone", "a", "b"]', "BYTES", "inputs[0].data: not valid JSON: "),
        (b"[" * 100_000, "FP32", "inputs[0].data: n"),
        (b"[" * 100_000, "BYTES", "inputs[0].data: n"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_place(form, reader, text, datatype, message):
    with pytest.raises(InferenceError) as raised:
        read(form(text), datatype, [3], READERS[reader])

    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("form", [bytes, longer])
@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (b"[[1, 2], [3]]", [3, 1]),
        (b"[[1, 2, 3], [4]]", [2, 2]),
        (b"[[1], [2, 3, 4]]", [2, 2]),
        (b"[[1, 2], [3, 4]]", [4, 1]),
        (b"[[1, 2], [3, 4]]", [1, 2, 2]),
        (b"[[[1, 2], [3, 4]]]", [2, 2]),
        (b"[[1, 2, 3, 4]]", [2, 2]),
        (b"[[1, 2], 3, 4]", [2, 2]),
        (b"[[[1], [2]], [3, 4]]", [2, 2]),
        (b"[[], [1, 2, 3, 4]]", [2, 2]),
    ],
)
@pytest.mark.parametrize("reader", READERS)
def test_nesting_that_is_not_the_shape_is_refused(form, text, shape, reader):
    with pytest.raises(InferenceError, match=r"inputs\[0\].data: "):
        read(form(text), "INT32", shape, READERS[reader])


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (b"[[]]", [0, 2**31 - 1]),
        (b"[[]]", [2**31 - 1, 0]),
        (b"[[%s1]]" % (b"1," * 100_000), [100_001] + [1] * 31),
    ],
)
def test_a_shape_that_the_data_does_not_follow_costs_no_memory(text, shape):
    tracemalloc.start()
    with pytest.raises(InferenceError, match="nesting"):
        read(longer(text), "FP32", shape)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 16 * 2**20


def test_the_shape_of_an_empty_tensor_costs_no_memory():
    tracemalloc.start()
    values = read(longer(b"[[]]"), "FP32", [1, 0, 2**31 - 1]).values
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert values.shape == (1, 0, 2**31 - 1)
    assert peak < 2**20


@pytest.mark.parametrize("text", ['"ééé"', '["é", "éé"]', '[null, "ab", "abcd"]'])
def test_a_text_longer_than_its_limit_is_refused(text):
    count = text.count(",") + 1
    longest = max(len(element.encode()) for element in np.ravel(json.loads(text)).tolist() if element)

    assert len(read(text.encode(), "BYTES", [count], JsonTensorReader(longest)).values) == count
    with pytest.raises(
        InferenceError, match=rf"inputs\[0\].data\[\d\]: expected at most {longest - 1} bytes, got {longest}"
    ):
        read(text.encode(), "BYTES", [count], JsonTensorReader(longest - 1))


# The parser's memory


@pytest.mark.parametrize("datatype", ["FP64", "INT64", "UINT64", "FP32"])
def test_arrays_read_earlier_stay_as_they_were_when_the_reader_is_used_again(datatype):
    reader = JsonTensorReader()
    numbers = [list(range(start, start + 2_000)) for start in range(0, 40_000, 1_000)]

    arrays = [read(each, datatype, reader=reader).values for each in numbers]
    del reader

    assert [array.tolist() for array in arrays] == numbers
    assert not any(np.shares_memory(one, other) for one in arrays for other in arrays if one is not other)


def test_an_array_may_be_written_to_without_harm_to_another():
    reader = JsonTensorReader()
    first, second = (read([1.0] * 1_000, "FP64", reader=reader).values for _ in range(2))

    first[:] = 7

    assert second.tolist() == [1.0] * 1_000


def test_a_reader_is_as_good_after_a_text_that_it_refused():
    reader = JsonTensorReader()

    for wrong in (b"[1, true]", b"[1", b"7", b"{}", b"[1e400]", b'["a"]', b"[" * 2_000):
        with pytest.raises(InferenceError):
            read(longer(wrong), "INT32", [5], reader)

    assert read([5] * 1_000, "INT32", reader=reader).values.tolist() == [5] * 1_000


def test_a_very_long_text_is_read_by_a_parser_of_its_own():
    reader = JsonTensorReader()

    values = read(b"[" + b"1.25," * 1_000_000 + b"1.25]", "FP64", [1_000_001], reader).values

    assert (values == 1.25).all()
    assert read([5] * 1_000, "INT32", reader=reader).values.sum() == 5_000


def test_readers_of_two_threads_do_not_disturb_each_other():
    results = {}

    def work(number):
        reader = JsonTensorReader()
        results[number] = [read([number] * 1_000, "FP32", reader=reader).values.sum() for _ in range(50)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == {number: [1_000.0 * number] * 50 for number in range(4)}


# Every way gives the same

NUMBER_TEXTS = st.sampled_from(
    [
        *("0", "-0", "0.0", "-0.0", "1", "-1", "1.0", "1.5", "1e0", "1E5", "1e-7", "0.1", "0.30000000000000004"),
        *("255", "256", "-128", "-129", "65504", "65519.99", "65520", "70000", "16777217", "9007199254740993"),
        *("2147483647", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808"),
        *("-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616"),
        *("3.3895313892515355e38", "3.3961775190892987e38", "3.3961775292304957e38", "3.4028235e38", "-3.4028236e38"),
        *("3.4028235677973362e38", "3.4028235677973366e38", "1e39", "-1e39", "1e-46", "5e-324", "1e308", "1e309"),
        *("123456789012345678901234567890", "NaN", "Infinity", "01", "1.", ".5", "+1", "-", "1e"),
    ]
)
SCALAR_TEXTS = st.one_of(
    NUMBER_TEXTS,
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.sampled_from(["true", "false", "null", '"NaN"', '"Infinity"', '"-Infinity"', '"1"', '"é"', "{}", '{"a":1}']),
)


def nested(elements, shape):
    if len(shape) <= 1:
        return f"[{', '.join(elements)}]"
    size = math.prod(shape[1:])
    rows = [nested(elements[row * size : (row + 1) * size], shape[1:]) for row in range(shape[0])]
    return f"[{','.join(rows)}]"


@st.composite
def right_looking(draw):
    """JSON of a shape, of elements of one kind for the most part, and that shape."""
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    kinds = [NUMBER_TEXTS, st.integers(-200, 300).map(str), st.sampled_from(["true", "false", "0", "1"]), SCALAR_TEXTS]
    count = math.prod(shape)
    elements = draw(st.lists(draw(st.sampled_from(kinds)), min_size=count, max_size=count))
    form = draw(st.sampled_from([nested, lambda elements, shape: nested(elements, [])]))
    return form(elements, shape), shape


@st.composite
def wild(draw):
    """JSON of any nesting, and any shape."""
    text = draw(
        st.recursive(SCALAR_TEXTS, lambda inner: st.lists(inner, max_size=4).map(lambda each: f"[{','.join(each)}]"))
    )
    return text, draw(st.lists(st.integers(0, 3), max_size=3))


def reference(text, datatype, shape):
    """The exact way alone."""
    data = msgspec.json.decode(text)
    if data is None:
        raise InferenceError("null")
    elements = elements_of(data, datatype, shape, "inputs[0]")
    if len(elements) != math.prod(shape):
        raise InferenceError("count")
    if datatype is Datatype.BYTES:
        return elements
    return np.array(elements, NUMPY_DTYPES[datatype]).reshape(shape)


def outcome(read_it):
    try:
        values = read_it()
    except (InferenceError, msgspec.DecodeError, UnicodeDecodeError):
        return "refused"
    return values if isinstance(values, list) else (values.dtype, values.shape, values.tobytes())


@settings(max_examples=400, deadline=None)
@given(st.one_of(right_looking(), wild()), st.sampled_from(Datatype))
@example(("[[1,2],[3,4]]", [2, 2]), Datatype.FP32)
@example(("[[1,2],[3,4]]", [4]), Datatype.FP32)
@example(("[3.3961775292304957e38]", [1]), Datatype.BF16)
@example(("[3.3961775190892987e38, 3.39617751908929e38]", [2]), Datatype.BF16)
def test_every_way_agrees_with_the_exact_one(written, datatype):
    text, shape = written[0].encode(), written[1]

    expected = outcome(lambda: reference(text, datatype, shape))

    for reader in READERS.values():
        for form in (bytes, longer):
            assert outcome(lambda: read(form(text), datatype, shape, reader).values) == expected  # noqa: B023


@settings(max_examples=300, deadline=None)
@given(st.one_of(right_looking(), wild()), st.sampled_from(Datatype))
def test_every_way_refuses_with_the_same_words(written, datatype):
    text, shape = written[0].encode(), written[1]
    messages = set()

    for reader in READERS.values():
        for form in (bytes, longer):
            try:
                read(form(text), datatype, shape, reader)
            except InferenceError as error:
                if "not valid JSON" not in str(error):  # which says at what byte
                    messages.add(str(error))

    assert len(messages) <= 1


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.sampled_from(Datatype), st.lists(st.integers(0, 3), max_size=3))
def test_any_bytes_are_elements_or_an_error(text, datatype, shape):
    for reader in READERS.values():
        for form in (bytes, longer):
            try:
                values = read(form(text), datatype, shape, reader).values
            except InferenceError:
                continue
            assert np.size(values) == math.prod(shape)


ELEMENTS = {
    **{
        datatype: st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        for datatype, dtype in NUMPY_DTYPES.items()
        if dtype.kind in "iu"
    },
    Datatype.BOOL: st.booleans(),
    Datatype.FP16: st.floats(width=16, allow_nan=False, allow_infinity=False),
    Datatype.BF16: st.integers(0, 2**16 - 1)
    .map(lambda bits: float(np.array([bits], np.uint16).view(ml_dtypes.bfloat16)[0]))
    .filter(math.isfinite),
    Datatype.FP32: st.floats(width=32, allow_nan=False, allow_infinity=False),
    Datatype.FP64: st.floats(allow_nan=False, allow_infinity=False),
}


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(list(ELEMENTS)), st.lists(st.integers(0, 4), max_size=3))
def test_nested_elements_are_the_flat_ones(data, datatype, shape):
    count = math.prod(shape)
    elements = data.draw(st.lists(ELEMENTS[datatype].map(json.dumps), min_size=count, max_size=count))
    expected = np.array([json.loads(element) for element in elements], NUMPY_DTYPES[datatype]).reshape(shape)

    for reader in READERS.values():
        for form in (bytes, longer):
            for text in (nested(elements, shape), nested(elements, [])):
                values = read(form(text.encode()), datatype, shape, reader).values
                assert (values.dtype, values.shape) == (expected.dtype, expected.shape)
                assert values.tobytes() == expected.tobytes()
