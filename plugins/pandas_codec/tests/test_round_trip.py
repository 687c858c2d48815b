"""A DataFrame comes out of a request, and of a response, as it went in: in JSON and with binary tensors."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from codec_pandas import PandasCodec
from hypothesis import given, settings
from hypothesis import strategies as st
from mlcore.testing import call_of, response_of
from mlcore_protocol import InferenceRequest, Parameters
from mlcore_protocol.v2_format import V2Format

MOST_ROWS = 5
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
NULLABLE = [name.replace("i", "I", 1).replace("u", "U", 1) for name in INTEGERS]
NATURAL = pd.Series([""]).dtype

texts = st.text(st.characters(codec="utf-8"), max_size=3)
floats = st.floats(width=16, allow_infinity=False)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


def integers(name):
    bounds = np.iinfo(name.lower())
    return st.integers(bounds.min, bounds.max)


def series(elements, dtype):
    return lambda rows: st.lists(elements, min_size=rows, max_size=rows).map(
        lambda values: pd.Series(values, dtype=dtype, index=range(rows))
    )


def maybe(elements):
    return st.none() | elements


def without_both(values):
    """Return bytes among which nothing is both empty and missing: a format without nulls cannot tell them apart."""
    return values if None not in values else [value or None for value in values]


def byte_column(rows):
    values = st.lists(maybe(st.binary(max_size=3)), min_size=rows, max_size=rows)
    return values.map(lambda values: pd.Series(without_both(values), dtype=object, index=range(rows)))


def moments(unit, zone):
    # Nanoseconds reach from 1677 to 2262, time zones are sure from 1900 on.
    first, last = ("1900-01-02", "2261-12-30") if unit == "ns" or zone else ("0001-01-02", "9999-12-30")
    low, high = (int(np.datetime64(day, unit).astype(np.int64)) for day in (first, last))

    def column(rows):
        values = st.lists(maybe(st.integers(low, high)), min_size=rows, max_size=rows)
        return values.map(lambda values: of_counts(values, unit, zone, rows))

    return column


def of_counts(values, unit, zone, rows):
    counts = np.array([np.iinfo(np.int64).min if value is None else value for value in values], np.int64)
    column = pd.Series(counts.view(f"datetime64[{unit}]"), index=range(rows))
    return column if zone is None else column.dt.tz_localize("UTC").dt.tz_convert(zone)


def categories(elements, dtype):
    @st.composite
    def column(draw, rows):
        known = draw(st.lists(elements, min_size=1, max_size=3, unique=True))
        values = draw(st.lists(maybe(st.integers(0, len(known) - 1)), min_size=rows, max_size=rows))
        codes = [-1 if value is None else value for value in values]
        index = pd.Index(known, dtype=dtype)
        return pd.Series(pd.Categorical.from_codes(codes, index, ordered=draw(st.booleans())), index=range(rows))

    return column


COLUMNS = {
    **{name: series(integers(name), name) for name in INTEGERS},
    **{name: series(maybe(integers(name)), name) for name in NULLABLE},
    **{name: series(floats, name) for name in ("float16", "float32", "float64")},
    **{name: series(maybe(floats), name) for name in ("Float32", "Float64")},
    "bool": series(st.booleans(), "bool"),
    "boolean": series(maybe(st.booleans()), "boolean"),
    "text": series(maybe(texts), NATURAL),
    "string": series(maybe(texts), "string"),
    "object": series(maybe(texts), object),
    "bytes": byte_column,
    "json": series(json_values, object),
    **{
        f"datetime {unit} {zone}": moments(unit, zone)
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "Europe/Berlin", "America/St_Johns")
    },
    "offset": moments("us", "UTC-03:30"),
    "category of texts": categories(texts, NATURAL),
    "category of objects": categories(texts, object),
    "category of integers": categories(st.integers(-(2**63), 2**63 - 1), "int64"),
    "category of floats": categories(st.floats(allow_nan=False, allow_infinity=False), "float64"),
    "category of datetimes": categories(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), "datetime64[us]"),
}


@st.composite
def frames(draw):
    rows = draw(st.integers(0, MOST_ROWS))
    kinds = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3))
    return pd.DataFrame({f"{index} {kind}": draw(COLUMNS[kind](rows)) for index, kind in enumerate(kinds)})


def assert_same(given, got):
    assert list(got.columns) == list(given.columns)
    for name in given:
        assert got[name].dtype == given[name].dtype, name
        if given[name].dtype == object:
            assert repr(plain(got[name])) == repr(plain(given[name])), name
        else:
            pd.testing.assert_series_equal(got[name], given[name], check_exact=True)


def plain(column):
    return [None if value is None or value is pd.NA or value != value else value for value in column]


def sent(frame, binary, use_bytes=True):
    call = call_of(PandasCodec.encode_request(frame, use_bytes=use_bytes), "m", binary=binary)
    return PandasCodec.decode_request(V2Format().decode(call.body, call.head_length))


def answered(frame, binary):
    response = PandasCodec.encode_response("m", frame)
    request = InferenceRequest(inputs=[], parameters=Parameters(binary_data_output=binary))
    return PandasCodec.decode_response(response_of(V2Format().encode(response, request)))


@pytest.mark.parametrize("binary", [False, True])
@settings(max_examples=80, deadline=None)
@given(frame=frames(), use_bytes=st.booleans())
def test_a_request_gives_back_the_frame(frame, binary, use_bytes):
    assert_same(frame, sent(frame, binary, use_bytes))


@settings(max_examples=40, deadline=None)
@given(frame=frames())
def test_a_response_in_json_gives_back_the_frame(frame):
    assert_same(frame, answered(frame, binary=False))


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("kind", sorted(COLUMNS))
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_every_kind_of_column_is_given_back_by_requests(kind, binary, data):
    frame = pd.DataFrame({"x": data.draw(COLUMNS[kind](data.draw(st.integers(0, MOST_ROWS))))})

    assert_same(frame, sent(frame, binary))


@pytest.mark.parametrize("dtype", [NATURAL, "string"])
def test_only_a_binary_response_cannot_tell_missing_texts_from_empty_ones_in_one_column(dtype):
    frame = pd.DataFrame({"x": pd.Series(["", None, "a"], dtype=dtype)})

    assert_same(frame, answered(frame, binary=False))
    assert_same(frame.fillna(""), answered(frame, binary=True))
    assert_same(frame[1:].reset_index(drop=True), answered(frame[1:], binary=True))
