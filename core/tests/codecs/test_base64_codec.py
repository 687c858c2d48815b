"""The codec `base64`."""

import pytest
from mlcore.codecs import Base64Codec, CodecError
from mlcore.types import RequestInput


def tensor(data, datatype="BYTES"):
    return RequestInput(name="x", shape=[1], datatype=datatype, data=data)


@pytest.mark.parametrize(("use_bytes", "data"), [(True, [b"UHl0aG9u", b"AAE="]), (False, ["UHl0aG9u", "AAE="])])
def test_bytes_and_texts_become_base64(use_bytes, data):
    made = Base64Codec.encode_output("y", ["Python", b"\x00\x01"], use_bytes=use_bytes)

    assert (made.shape, str(made.datatype), made.parameters) == ([2, 1], "BYTES", {"content_type": "base64"})
    assert made.data.tolist() == data
    assert Base64Codec.decode_output(made) == [b"Python", b"\x00\x01"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (["UHl0aG9uIGlzIGZ1bg=="], [b"Python is fun"]),
        ([b"UHl0aG9uIGlzIGZ1bg=="], [b"Python is fun"]),
        ("UHl0aG9u", [b"Python"]),
        (["not b64!", "é"], [b"not b64!", "é".encode()]),
        ([b"\xff"], [b"\xff"]),
        ([""], [b""]),
    ],
)
def test_base64_is_read_and_anything_else_taken_as_it_is(data, expected):
    assert Base64Codec.decode_input(tensor(data)) == expected


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (tensor([1], "INT8"), "'x': the content type 'base64' needs the datatype BYTES, got INT8"),
        (tensor(["", None]), "'x'.data[1]: expected base64 text, got null"),
    ],
)
def test_what_holds_no_bytes_is_the_clients_error(wrong, message):
    with pytest.raises(CodecError) as raised:
        Base64Codec.decode_input(wrong)

    assert str(raised.value) == message


@pytest.mark.parametrize(("payload", "expected"), [([b"a", "b"], True), ([], True), (b"a", False), ([1], False)])
def test_lists_of_bytes_and_texts_are_encoded(payload, expected):
    assert Base64Codec.can_encode(payload) is expected
