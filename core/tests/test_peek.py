"""A look at a request that has to wait."""

import json

import pytest
from mlcore.engine import Call
from mlcore.peek import id_of, may_have_time, urgency_of
from mlcore.request_parameters import LOWEST
from mlcore_protocol.protobuf_format import PROTOBUF
from mlcore_protocol.protobuf_wire import with_length


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"priority": 3, "timeout": 1_500_000}, (3, 1.5)),
        ({"priority": 0}, (LOWEST, None)),
        ({"timeout": 0}, (LOWEST, None)),
        ({"other": [1, {"a": 2}]}, (LOWEST, None)),
        ({"priority": "high", "timeout": 5}, (LOWEST, None)),
        (None, (LOWEST, None)),
        ([1], (LOWEST, None)),
    ],
)
def test_what_a_json_head_says_is_seen(parameters: object, expected: tuple[int, float | None]) -> None:
    plain = {"id": "1", "inputs": [{"name": "x", "data": [[1, 2]]}], "parameters": parameters}

    assert urgency_of(Call("m", None, "application/json", json.dumps(plain).encode())) == expected


@pytest.mark.parametrize("kind", [bytes, bytearray, lambda body: memoryview(bytearray(body))])
def test_a_call_that_may_have_a_time_of_its_own_is_told_by_its_head(kind) -> None:
    head = b'{"parameters": {"timeout": 2}}'

    assert may_have_time(Call("m", None, "application/json", kind(head)))
    assert may_have_time(Call("m", None, "application/octet-stream", kind(head + bytes(10**6)), len(head)))
    assert not may_have_time(Call("m", None, "application/octet-stream", kind(b"{}timeout"), 2))
    assert not may_have_time(Call("m", None, "application/json", kind(head + b" " * 10**6)))


def test_only_the_head_is_read_where_binary_data_follow() -> None:
    head = b'{"parameters": {"priority": 2}}'

    call = Call("m", None, "application/octet-stream", memoryview(bytearray(head + bytes(10**6))), len(head))

    assert urgency_of(call) == (2, None)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 60_000, b'{"parameters": {"priority": 1}} x', b'{"a": "\xff"}', b" " * 70_000 + b"{}"],
)
def test_what_cannot_be_read_or_is_long_is_left_to_the_host(body: bytes) -> None:
    assert urgency_of(Call("m", None, "application/json", body)) == (LOWEST, None)


def test_what_a_protobuf_message_says_is_seen_however_long_it_is() -> None:
    entries = [
        with_length(1, b"priority") + with_length(2, b"\x10\3"),
        with_length(1, b"timeout") + with_length(2, b"\x10\5"),
    ]
    body = b"".join(with_length(4, entry) for entry in entries) + with_length(7, bytes(10**6))

    assert urgency_of(Call("m", None, PROTOBUF, memoryview(bytearray(body)))) == (3, 5e-6)


@pytest.mark.parametrize("body", [b"", b"\1", with_length(4, with_length(1, b"priority"))])
def test_a_protobuf_message_without_urgency_or_sense_is_left_to_the_host(body: bytes) -> None:
    assert urgency_of(Call("m", None, PROTOBUF, body)) == (LOWEST, None)


def test_other_forms_are_left_to_the_host() -> None:
    assert urgency_of(Call("m", None, "text/plain", b'{"parameters": {"priority": 1}}')) == (LOWEST, None)


def test_the_id_of_a_request_is_seen() -> None:
    head = b'{"inputs": [{"data": [1]}], "id": "r-1"}'

    assert id_of(Call("m", None, "application/json", head)) == "r-1"
    assert id_of(Call("m", None, "application/octet-stream", head + bytes(10**6), len(head))) == "r-1"
    assert id_of(Call("m", None, PROTOBUF, memoryview(bytearray(with_length(3, b"r-1"))))) == "r-1"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"id": 1}', b'{"id": "a"', b"\xff", b'{"id": "1"}' + b" " * 70_000])
def test_a_request_without_an_id_or_sense_or_end_has_none(body: bytes) -> None:
    assert id_of(Call("m", None, "application/json", body)) is None
