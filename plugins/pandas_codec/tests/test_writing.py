"""What a DataFrame looks like on the wire: for clients that know no pandas."""

from datetime import date, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from codec_pandas import PandasCodec
from mlcore.errors import InternalError

NATURAL = pd.Series([""]).dtype


def tensor_of(values, dtype=None, **options):
    frame = pd.DataFrame({"x": pd.Series(values, dtype=dtype)})
    (tensor,) = PandasCodec.encode_request(frame, **options).model_dump()["inputs"]
    assert tensor.pop("name") == "x"
    assert tensor.pop("shape") == [len(values), 1]
    return tensor.pop("datatype"), tensor.pop("data"), tensor.pop("parameters", {})


@pytest.mark.parametrize(
    ("values", "dtype", "datatype", "data"),
    [
        ([1, 2], "int64", "INT64", [1, 2]),
        ([1, 2], "uint8", "UINT8", [1, 2]),
        ([1, 2], ">i4", "INT32", [1, 2]),
        ([0.5, np.nan], "float64", "FP64", [0.5, None]),
        ([0.5], "float16", "FP16", [0.5]),
        ([True, False], "bool", "BOOL", [True, False]),
        ([], "int64", "INT64", []),
    ],
)
def test_numbers_are_tensors_without_a_mark(values, dtype, datatype, data):
    assert tensor_of(values, dtype) == (datatype, data, {})


@pytest.mark.parametrize(
    ("values", "dtype", "datatype", "data", "content_type"),
    [
        ([1, 2], "Int64", "INT64", [1, 2], None),
        ([1, None], "Int64", "FP64", [1.0, None], None),
        ([1, None], "UInt8", "FP64", [1.0, None], None),
        ([2**60, None], "Int64", "BYTES", [b"1152921504606846976", b"null"], "pd_json"),
        ([0.5, None], "Float32", "FP32", [0.5, None], None),
        ([True, False], "boolean", "BOOL", [True, False], None),
        ([True, None], "boolean", "BYTES", [b"true", b"null"], "pd_json"),
    ],
)
def test_numbers_that_may_be_missing_are_numbers_with_a_null_wherever_one_can_be(
    values, dtype, datatype, data, content_type
):
    marks = {"content_type": content_type} if content_type else {}

    assert tensor_of(values, dtype) == (datatype, data, {**marks, "pd_dtype": dtype})


@pytest.mark.parametrize(("use_bytes", "data"), [(True, ["é".encode(), b""]), (False, ["é", ""])])
def test_texts_are_bytes_or_text(use_bytes, data):
    assert tensor_of(["é", ""], NATURAL, use_bytes=use_bytes) == ("BYTES", data, {"content_type": "str"})


def test_a_missing_text_is_null():
    for missing in (None, np.nan):
        datatype, data, parameters = tensor_of(["a", missing], NATURAL)

        assert (datatype, data) == ("BYTES", [b"a", None])
        assert parameters == {"content_type": "str", "pd_empty_is_null": True}
    assert tensor_of([None, None], "string")[1] == [None, None]


def test_texts_that_are_missing_and_empty_stay_texts_in_a_response_and_are_json_in_a_request():
    frame = pd.DataFrame({"x": pd.Series(["", None], dtype=NATURAL)})

    (output,) = PandasCodec.encode_response("m", frame).outputs

    assert (output.data.tolist(), output.parameters) == ([b"", None], {"content_type": "str"})
    assert tensor_of(["", None], NATURAL)[1:] == ([b'""', b"null"], {"content_type": "pd_json", "pd_dtype": NATURAL})


def test_bytes_stay_as_they_are_where_json_can_hold_them_and_are_base64_elsewhere():
    assert tensor_of([b"a", None]) == ("BYTES", [b"a", None], {"pd_dtype": "bytes", "pd_empty_is_null": True})
    assert tensor_of([b"a"], use_bytes=False)[1] == ["a"]
    assert tensor_of([b"a", b"\xff"]) == ("BYTES", [b"YQ==", b"/w=="], {"content_type": "base64"})
    assert tensor_of(["é".encode()[:1], "é".encode()[1:]])[1] == [b"ww==", b"qQ=="]


@pytest.mark.parametrize(
    ("cells", "data"),
    [
        (["a", {"a": 1}], [b'"a"', b'{"a":1}']),
        ([[1, 2], None], [b"[1,2]", b"null"]),
        ([np.array([1.5, 2]), np.array([[1], [2]])[:, 0]], [b"[1.5,2.0]", b"[1,2]"]),
        ([np.array([1, "a"], object)], [b'[1,"a"]']),
        ([{"at": date(2024, 1, 2)}], [b'{"at":"2024-01-02"}']),
        ([{"at": pd.Timestamp("2024-01-02")}], [b'{"at":"2024-01-02T00:00:00"}']),
        ([1, "a"], [b"1", b'"a"']),
        ([True, None], [b"true", b"null"]),
    ],
)
def test_cells_of_any_kind_are_json_each(cells, data):
    assert tensor_of(cells, object) == ("BYTES", data, {"content_type": "pd_json"})


def test_times_are_iso_8601_with_their_offset():
    naive = pd.Series(["2024-01-01T10:00:00", None], dtype="datetime64[s]")
    zoned = pd.to_datetime(pd.Series(["2024-01-01", "2024-07-01"])).dt.tz_localize("Europe/Berlin").dt.as_unit("s")

    assert tensor_of(naive) == (
        "BYTES",
        [b"2024-01-01T10:00:00", None],
        {"content_type": "datetime", "pd_dtype": "datetime64[s]"},
    )
    assert tensor_of(zoned) == (
        "BYTES",
        [b"2024-01-01T00:00:00+01:00", b"2024-07-01T00:00:00+02:00"],
        {"content_type": "datetime", "pd_dtype": "datetime64[s, Europe/Berlin]"},
    )


def test_an_offset_with_seconds_which_iso_8601_does_not_have_is_not_written():
    moment = (
        pd.to_datetime(pd.Series(["1850-01-01"]))
        .dt.as_unit("s")
        .dt.tz_localize(timezone(-timedelta(hours=4, minutes=56, seconds=2)))
    )

    assert tensor_of(moment)[1] == [b"1850-01-01T04:56:02+00:00"]


def test_categories_are_values_with_the_list_beside_them():
    sizes = pd.Categorical(["S", None, "S"], ["S", "M"], ordered=True)

    assert tensor_of(sizes) == (
        "BYTES",
        [b"S", None, b"S"],
        {
            "content_type": "str",
            "pd_dtype": "category",
            "pd_empty_is_null": True,
            "pd_categories": '["S","M"]',
            "pd_ordered": True,
        },
    )
    assert tensor_of(pd.Categorical([7, 7])) == ("INT64", [7, 7], {"pd_dtype": "category", "pd_categories": "[7]"})
    assert tensor_of(pd.Categorical([7, None]))[:2] == ("FP64", [7.0, None])


def test_a_list_of_categories_that_is_too_long_or_of_bytes_is_left_out():
    many = pd.Categorical([f"category {number}" for number in range(2000)])

    assert "pd_categories" not in tensor_of(many)[2]
    assert "pd_categories" not in tensor_of(pd.Categorical([b"a"]))[2]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.Series([1j]), "column 'x': complex128 has no form in the protocol; convert it to numbers or text"),
        (pd.Series(pd.to_timedelta([1])), "has no form in the protocol"),
        (pd.Series(pd.period_range("2024", periods=1)), "has no form in the protocol"),
        (pd.Series(pd.arrays.SparseArray([1, 0])), "has no form in the protocol"),
        (pd.cut(pd.Series([1, 2]), 2), "has no form in the protocol"),
        (
            pd.Series([1, Decimal(1)]),
            r"column 'x': data\[1\]: has no JSON form: a Decimal is neither a dict, a list, a text, a number nor",
        ),
        (pd.Series([2**80, "a"]), r"column 'x': data\[0\]: has no JSON form: Integer exceeds 64-bit range"),
        (pd.Series(["\ud800"], dtype=object), "column 'x' holds a text that is no Unicode"),
    ],
)
def test_what_the_protocol_cannot_carry_is_named(column, message):
    with pytest.raises(InternalError, match=message):
        PandasCodec.encode_response("m", pd.DataFrame({"x": column}))


def test_names_become_texts_and_have_to_be_different():
    frame = pd.DataFrame([[1, 2]], columns=[0, ("a", 1)], index=["row"])

    assert [tensor.name for tensor in PandasCodec.encode_request(frame).inputs] == ["0", "('a', 1)"]
    with pytest.raises(InternalError, match="two columns are called '1'; a tensor's name is its own"):
        PandasCodec.encode_request(pd.DataFrame([[1, 2]], columns=[1, "1"]))


def test_numbers_are_handed_over_without_a_copy():
    frame = pd.DataFrame({"x": np.arange(4.0), "y": np.arange(4)})

    for tensor in PandasCodec.encode_request(frame).inputs:
        assert np.shares_memory(tensor.data.values, frame[tensor.name].to_numpy())


def test_requests_and_responses_name_their_content_type():
    request = PandasCodec.encode_request(pd.DataFrame({"x": [1]}))
    response = PandasCodec.encode_response("m", pd.DataFrame({"x": [1]}), "v1")

    assert request.parameters == response.parameters == {"content_type": "pd"}
    assert (response.model_name, response.model_version) == ("m", "v1")
    assert PandasCodec.can_encode(pd.DataFrame())
    assert not PandasCodec.can_encode({"x": [1]})
