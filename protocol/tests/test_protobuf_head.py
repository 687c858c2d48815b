"""Tests of the top of a request, which the front reads."""

import pytest
from mlcore_protocol import InferenceError, Limits
from mlcore_protocol.protobuf_head import read_head
from mlcore_protocol.protobuf_wire import with_length

LIMITS = Limits()

NAMED = with_length(1, b"m") + with_length(2, b"v1") + with_length(3, b"a-1")


def parameter(name, value):
    return with_length(4, with_length(1, name) + with_length(2, value))


def refusal(body, **limits):
    with pytest.raises(InferenceError) as raised:
        read_head(body, Limits(**limits)).parameters()
    return str(raised.value)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("raw", [b"", bytes(10**6)])
def test_the_head_says_what_a_request_is_about(kind, raw):
    head = read_head(kind(NAMED + with_length(5, b"") + with_length(7, raw)), LIMITS)

    assert (head.model_name, head.model_version, head.id, head.parameters()) == ("m", "v1", "a-1", None)


def test_what_is_empty_is_absent():
    for body in (b"", with_length(2, b"") + with_length(3, b"")):
        head = read_head(body, LIMITS)

        assert (head.model_name, head.model_version, head.id) == ("", None, None)


def test_of_a_field_that_comes_again_the_last_one_counts():
    head = read_head(NAMED + with_length(1, b"n") + with_length(2, b""), LIMITS)

    assert (head.model_name, head.model_version) == ("n", None)


def test_parameters_are_read_when_they_are_asked_for():
    broken = read_head(NAMED + parameter(b"p", b"\x08\1") + parameter(b"q", b"\xff"), LIMITS)

    assert broken.model_name == "m"
    with pytest.raises(InferenceError, match=r"^parameters\.q: expected a varint, got 1 bytes of one"):
        broken.parameters()
    assert read_head(NAMED + parameter(b"p", b"\x10\5"), LIMITS).parameters() == {"p": 5}


def test_fields_of_a_later_protocol_are_skipped():
    assert read_head(with_length(15, b"new") + NAMED, LIMITS).model_name == "m"


def test_b093_too_many_of_anything_are_refused_by_their_count():
    assert refusal(b"\x2a\0" * 200_000) == "inputs: expected 1 to 256 tensors, got more"
    assert refusal(b"\x32\0" * 200_000) == "outputs: expected at most 256, got more"
    assert refusal(b"\x3a\0" * 200_000) == "raw_input_contents: expected at most 256, got more"
    assert refusal(parameter(b"p", b"\x08\1") * 10**6) == "parameters: expected at most 64 parameters, got more"
    assert refusal(b"\x0a\1m" * 10**6) == "the message: expected at most 896 protobuf fields, got more"
    assert refusal(b"\x78\1" * 10**6) == "the message: expected at most 896 protobuf fields, got more"


def test_as_many_as_allowed_are_not_refused():
    body = (
        b"\x2a\0" * 256
        + b"\x32\0" * 256
        + b"\x3a\0" * 256
        + b"".join(parameter(b"%d" % n, b"\x08\1") for n in range(64))
    )

    assert len(read_head(body, LIMITS).parameters()) == 64


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (with_length(1, b"m" * 5000), "model_name: expected at most 1024 characters, got 5000 bytes"),
        (with_length(2, b"\xff"), "model_version: expected text in UTF-8, got something else (invalid start byte)"),
        (
            with_length(3, b"i" * 300),
            f"id: expected at most 256 printable characters, got '{'i' * 32}'... of 300 characters",
        ),
        (with_length(3, b"i\n"), "id: expected at most 256 printable characters, got 'i\\n'"),
        (with_length(3, b"i" * 2000), "id: expected at most 256 characters, got 2000 bytes"),
        (
            with_length(6, bytes(2**20)),
            "the message: expected at most 1048576 bytes besides the tensors' contents, got 1048580",
        ),
        (
            with_length(15, bytes(2**20)),
            "the message: expected at most 1048576 bytes besides the tensors' contents, got 1048580",
        ),
        (b"\x2a\5abc", "inputs: expected 5 bytes, got 3: the message is cut off"),
        (b"\x28\5", "inputs: expected a length, got a varint"),
        (b"\x2b", "inputs: expected a length, got a group"),
        (
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1",
            "model_name: expected a varint of at most 10 bytes, got more",
        ),
    ],
)
def test_b092_a_malformed_head_is_refused_with_the_field(body, message):
    assert refusal(body) == message


def test_limits_are_those_that_are_given():
    assert refusal(b"\x2a\0" * 3, max_tensors=2) == "inputs: expected 1 to 2 tensors, got more"
    assert (
        refusal(with_length(1, b"mmmmm"), max_name_length=1) == "model_name: expected at most 1 characters, got 5 bytes"
    )
