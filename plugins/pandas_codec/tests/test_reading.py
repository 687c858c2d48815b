"""What clients may send for a column, and what is refused: those of pandas, and those that never heard of it."""

import numpy as np
import pandas as pd
import pytest
from codec_pandas import JsonCellsCodec, PandasCodec
from mlcore.codecs import InputCodec
from mlcore.errors import CodecError, InferenceError
from mlcore_protocol import InferenceRequest, RequestInput

NATURAL = pd.Series([""]).dtype


def request(data, datatype="BYTES", shape=None, **parameters):
    shape = [len(data)] if shape is None else shape
    return InferenceRequest(
        inputs=[RequestInput(name="x", shape=shape, datatype=datatype, data=data, parameters=parameters or None)]
    )


def read(data, datatype="BYTES", shape=None, **parameters):
    return PandasCodec.decode_request(request(data, datatype, shape, **parameters))["x"]


def said(data, datatype="BYTES", shape=None, **parameters):
    with pytest.raises(InferenceError) as raised:
        read(data, datatype, shape, **parameters)
    return str(raised.value)


# --- without any mark ---


@pytest.mark.parametrize("shape", [[2], [2, 1]])
@pytest.mark.parametrize(
    ("data", "datatype", "dtype"),
    [
        ([1, 2], "INT32", "int32"),
        ([True, False], "BOOL", "bool"),
        ([1.5, None], "FP64", "float64"),
        (np.array([1.5, 2], np.float16), "FP16", "float16"),
        (["a", "b"], "BYTES", NATURAL),
        (["a", None], "BYTES", NATURAL),
        ([b"a", None], "BYTES", object),
    ],
)
def test_the_datatype_decides(shape, data, datatype, dtype):
    column = read(data, datatype, shape)

    assert column.dtype == dtype
    assert [None if value != value else value for value in column] == list(data)


def test_bfloat16_which_pandas_does_not_know_is_read_as_float32():
    assert read([0.5], "BF16").dtype == "float32"


def test_columns_of_one_datatype_are_one_block_that_the_model_may_change():
    data = np.arange(3.0)
    data.flags.writeable = False  # as those of a binary request are
    frame = PandasCodec.decode_request(
        InferenceRequest(inputs=[RequestInput(name=name, shape=[3], datatype="FP64", data=data) for name in ("a", "b")])
    )

    frame.loc[0, "a"] = 7.0

    assert frame.to_dict("list") == {"a": [7.0, 1.0, 2.0], "b": [0.0, 1.0, 2.0]}
    assert data[0] == 0


def test_no_inputs_are_an_empty_frame():
    assert PandasCodec.decode_request(InferenceRequest(inputs=[])).shape == (0, 0)


def test_columns_keep_their_order_and_may_have_no_rows():
    tensors = [
        RequestInput(name=name, shape=[0, 1], datatype=datatype, data=[])
        for name, datatype in (("b", "FP32"), ("a", "BYTES"), ("c", "INT64"))
    ]

    frame = PandasCodec.decode_request(InferenceRequest(inputs=tensors))

    assert list(frame.columns) == ["b", "a", "c"]
    assert len(frame) == 0


# --- content types ---


@pytest.mark.parametrize(
    ("data", "content_type", "values"),
    [
        ([b"a", "b"], "str", ["a", "b"]),
        (["YQ==", None], "base64", [b"a", None]),
        (["[1]", b'{"a":null}', "null", None, ""], "pd_json", [[1], {"a": None}, None, None, None]),
        (["a", "b"], "np", ["a", "b"]),
        (["a", "b"], "nobody's", ["a", "b"]),
    ],
)
def test_the_content_type_of_a_column_says_what_its_elements_are(data, content_type, values):
    assert read(data, content_type=content_type).tolist() == values


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2024-01-02T03:04:05", None], ["2024-01-02T03:04:05", None]),
        (["2024-01-02", "20240102"], ["2024-01-02", "2024-01-02"]),
        (["2024-01-02T00:00:00Z"], ["2024-01-02T00:00:00+00:00"]),
        (["2024-01-02T00:00:00+02:00"], ["2024-01-02T00:00:00+02:00"]),
        (["2024-01-02T00:00:00+02:00", "2024-01-02T00:00:00Z"], ["2024-01-01T22:00:00+00:00", "2024-01-02T00:00:00Z"]),
        (["0001-01-01", "9999-12-31T23:59:59"], ["0001-01-01", "9999-12-31T23:59:59"]),
        (["3000-01-01T01:00:00+01:00"], ["3000-01-01T01:00:00+01:00"]),
    ],
)
def test_times_are_read_with_and_without_offset(texts, expected):
    column = read(texts, content_type="datetime")

    assert column.dtype.kind == "M"
    assert column.isna().tolist() == [text is None for text in expected]
    for value, text in zip(column, expected, strict=True):
        assert text is None or value.isoformat() == pd.Timestamp(text).isoformat()


@pytest.mark.parametrize(
    "text", ["now", "today", "yesterday", "2024", "1/2/2024", "NaT", "2024-13-01", "2024-01-01T99"]
)
def test_what_is_no_time_is_the_clients_error(text):
    message = said(["2024-01-01", text], content_type="datetime")

    assert message == f"'x'.data[1]: expected an ISO 8601 date and time, got '{text}'"


def test_times_with_and_without_offset_do_not_mix():
    message = said(["2024-01-01", "2024-01-01T00:00Z"], content_type="datetime")

    assert message == "'x': expected an offset from UTC in every date and time, or in none"


class Lengths(InputCodec):
    """A codec of somebody else's."""

    ContentType = "lengths"

    @classmethod
    def read(cls, tensor):
        return {1: [3, 4], 2: np.array([[3], [4]]), 3: np.ones((2, 2)), 4: pd.Series([3, 4]), 5: np.array(3), 6: 3}[
            len(tensor.data)
        ]


@pytest.mark.parametrize(
    ("kind", "values"), [(1, [3, 4]), (2, [3, 4]), (3, [[1.0, 1.0], [1.0, 1.0]]), (4, [3, 4]), (5, [3])]
)
def test_a_codec_that_the_model_has_for_a_column_reads_it(kind, values):
    frame = PandasCodec.decode_request_with(request(["a"] * kind), lambda tensor: Lengths)

    assert [np.asarray(value).tolist() for value in frame["x"]] == values


def test_a_codec_that_gives_no_rows_is_no_codec_for_columns():
    with pytest.raises(CodecError, match="'x': its content type gives a int, not a value per row"):
        PandasCodec.decode_request_with(request(["a"] * 6), lambda tensor: Lengths)


# --- marks ---


@pytest.mark.parametrize(
    "mark",
    ["S1000000000", "(1000000,)i8", "Sparse[int64, 0]", "complex64", "period[D]", "int64", "category[", "x" * 99],
)
def test_a_dtype_that_is_none_of_ours_counts_as_none(mark):
    assert read([1, 2], "INT64", pd_dtype=mark).dtype == "int64"
    assert read(["a"], pd_dtype=mark).dtype == NATURAL
    assert read(["2024-01-01"], content_type="datetime", pd_dtype=mark).dtype.kind == "M"


@pytest.mark.parametrize(
    "zone", ["dateutil//etc/passwd", "/etc/passwd", "../../etc/passwd", "Nowhere/Town", "Europe", "UTC+99:99", "\0"]
)
def test_a_time_zone_that_does_not_exist_counts_as_none(zone):
    column = read(["2024-01-01T00:00:00+00:00"], content_type="datetime", pd_dtype=f"datetime64[s, {zone}]")

    assert str(column.dtype) == "datetime64[s, UTC]"


def test_a_resolution_that_does_not_reach_so_far_counts_as_none():
    column = read(["3000-01-01"], content_type="datetime", pd_dtype="datetime64[ns]")

    assert column.tolist() == [pd.Timestamp("3000-01-01")]


def test_a_mark_that_is_no_text_counts_as_none():
    assert read([1], "INT64", pd_dtype=5).dtype == "int64"


def test_a_dtype_of_arrow_is_the_plain_nullable_one_or_arrows_own():
    assert str(read([1.0, None], "FP64", pd_dtype="int64[pyarrow]").dtype) in ("Int64", "int64[pyarrow]")
    assert read(["a", None], pd_dtype="string[pyarrow]").isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("data", "datatype", "parameters"),
    [
        ([1.5], "FP64", {"pd_dtype": "Int64"}),
        ([300], "INT64", {"pd_dtype": "Int8"}),
        ([7], "INT64", {"pd_dtype": "boolean"}),
        (['"a"'], "BYTES", {"pd_dtype": "Int64", "content_type": "pd_json"}),
        (["1e400"], "BYTES", {"pd_dtype": "Int64", "content_type": "pd_json"}),
        (["[1]"], "BYTES", {"pd_dtype": "boolean", "content_type": "pd_json"}),
    ],
)
def test_elements_that_do_not_fit_their_dtype_are_the_clients_error(data, datatype, parameters):
    message = said(data, datatype, **parameters)

    assert message.startswith(("'x': its elements do not fit its pd_dtype, ", "'x'.data[0]: not valid JSON"))


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ("no json", "'x': its pd_categories do not fit: "),
        ('{"a": 1}', "'x': its pd_categories do not fit: expected a JSON list"),
        ('["a", "a"]', "'x': its pd_categories do not fit: "),
        ("[null]", "'x': its pd_categories do not fit: "),
        ("[[1], [2]]", "'x': its pd_categories do not fit: "),
        (5, "'x': its pd_categories do not fit: "),
        ('["b"]', "'x'.data[0]: expected one of its pd_categories"),
        ("[]", "'x'.data[0]: expected one of its pd_categories"),
    ],
)
def test_categories_that_do_not_fit_are_the_clients_error(categories, message):
    assert said(["a"], pd_dtype="category", pd_categories=categories).startswith(message)


def test_categories_that_are_not_listed_are_those_of_the_column():
    column = read(["b", "a", "b"], pd_dtype="category")

    assert column.cat.categories.tolist() == ["a", "b"]
    assert not column.cat.ordered


# --- what is no table ---


def test_ragged_columns_are_the_clients_error_and_named():
    tensors = [
        RequestInput(name="n", shape=[2], datatype="INT64", data=[1, 2]),
        RequestInput(name="m", shape=[3], datatype="INT64", data=[1, 2, 3]),
    ]

    with pytest.raises(CodecError) as raised:
        PandasCodec.decode_request(InferenceRequest(inputs=tensors))

    assert str(raised.value) == "inputs: expected as many rows in each column, but 'n' has 2, 'm' has 3"


@pytest.mark.parametrize("shape", [[2, 2], [], [1, 4], [4, 1, 1]])
def test_a_tensor_that_is_no_column_is_the_clients_error(shape):
    assert said([1, 2, 3, 4], "INT64", shape) == (
        f"'x': a column has the shape [N] or [N, 1], got {shape}; send a tensor for each"
    )


@pytest.mark.parametrize(
    ("data", "datatype", "parameters", "message"),
    [
        ([1], "INT64", {"content_type": "str"}, "'x': the content type 'str' needs the datatype BYTES, got INT64"),
        ([1], "INT64", {"content_type": "pd_json"}, "'x': the content type 'pd_json' needs the datatype BYTES"),
        ([1], "INT64", {"content_type": "datetime"}, "'x': the content type 'datetime' needs the datatype BYTES"),
        ([b"\xff"], "BYTES", {"content_type": "str"}, "'x'.data[0]: not UTF-8 at byte 0; send text as UTF-8"),
        (["[1]", "[1"], "BYTES", {"content_type": "pd_json"}, "'x'.data[1]: not valid JSON: "),
        (["[" * 3000], "BYTES", {"content_type": "pd_json"}, "'x'.data[0]: not valid JSON: "),
    ],
)
def test_elements_that_do_not_fit_their_content_type_are_the_clients_error(data, datatype, parameters, message):
    assert said(data, datatype, **parameters).startswith(message)


def test_elements_that_do_not_fill_the_shape_are_the_clients_error():
    assert said(["a"], shape=[2]) == "'x': the shape [2] does not fit its 1 elements"


def test_one_tensor_alone_may_be_pd_json():
    made = JsonCellsCodec.encode_input("x", [{"a": 1}, None])

    assert (made.shape, made.parameters) == ([2, 1], {"content_type": "pd_json"})
    assert JsonCellsCodec.decode_input(made) == [{"a": 1}, None]
