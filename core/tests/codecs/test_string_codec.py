"""The codec `str`."""

import numpy as np
import pytest
from mlcore.codecs import CodecError, StringCodec, StringRequestCodec
from mlcore.errors import InferenceError
from mlcore.types import RequestInput


def tensor(data, shape=(1,), datatype="BYTES"):
    return RequestInput(name="x", shape=list(shape), datatype=datatype, data=data)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [(["foo"], True), ([], True), (["foo", b"x"], False), ("foo", False), (b"foo", False), ([1], False), (None, False)],
)
def test_lists_of_text_are_encoded(payload, expected):
    assert StringCodec.can_encode(payload) is expected


@pytest.mark.parametrize(("use_bytes", "data"), [(True, ["é".encode(), b"b"]), (False, ["é", "b"])])
def test_texts_become_a_column_of_bytes_or_of_text(use_bytes, data):
    made = StringCodec.encode_input(name="docs", payload=["é", "b"], use_bytes=use_bytes)

    assert (made.shape, str(made.datatype), made.parameters) == ([2, 1], "BYTES", {"content_type": "str"})
    assert made.data.tolist() == data
    assert StringCodec.decode_input(made) == ["é", "b"]


def test_what_a_client_sends_is_what_it_has_always_been():
    assert StringCodec.encode_input(name="docs", payload=["a", "b"], use_bytes=False).model_dump() == {
        "name": "docs",
        "shape": [2, 1],
        "datatype": "BYTES",
        "parameters": {"content_type": "str"},
        "data": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("hello", ["hello"]),
        (b"hello", ["hello"]),
        (["hello"], ["hello"]),
        ([b"hello"], ["hello"]),
        ([None], [None]),
        ([], []),
        ("é".encode(), ["é"]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([[b"a"], [b"b"]], dtype=object), ["a", "b"]),
    ],
)
def test_texts_and_bytes_are_read_alike_and_null_is_none(data, expected):
    assert StringCodec.decode_input(tensor(data)) == expected


def test_any_shape_is_read_in_row_major_order():
    assert StringCodec.decode_input(tensor(["a", "b", "c", "d"], [2, 2])) == ["a", "b", "c", "d"]
    assert StringCodec.decode_input(tensor([["a", "b"], ["c", "d"]], [2, 2])) == ["a", "b", "c", "d"]
    assert StringCodec.decode_input(tensor(["two", "words"], [7])) == ["two", "words"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (tensor([1], datatype="FP32"), "'x': the content type 'str' needs the datatype BYTES, got FP32"),
        (tensor([b"a", b"\xff"]), "'x'.data[1]: not UTF-8 at byte 0; send text as UTF-8"),
    ],
)
def test_what_is_no_text_is_the_clients_error(wrong, message):
    with pytest.raises(CodecError) as raised:
        StringCodec.decode_input(wrong)

    assert str(raised.value) == message


def test_numbers_among_texts_are_refused():
    with pytest.raises(InferenceError, match="expected a string for BYTES, got 5"):
        StringCodec.decode_input(tensor(["a", 5]))


def test_a_whole_request_and_response_of_texts():
    request = StringRequestCodec.encode_request(["a"], use_bytes=False)
    response = StringRequestCodec.encode_response("m", ["a"])

    assert request.model_dump()["inputs"][0]["name"] == "input-1"
    assert StringRequestCodec.decode_request(request) == ["a"]
    assert StringRequestCodec.decode_response(response) == ["a"]
