"""B030: ids and trace headers that would spoil a log or a response."""

from __future__ import annotations

import json

import grpc
import pytest
from standing import raw

from .asking import assert_refused, message_of, reply_of

TENSOR = {"name": "same", "datatype": "BYTES", "shape": [1], "data": ["a"]}
BODY = json.dumps({"inputs": [TENSOR]}).encode()
NAMES = [b"x-request-id", b"traceparent", b"tracestate", b"x-tenant"]
VALUES = {
    "an escape sequence": b"\x1b[31mred",
    "beyond ASCII": b"na\xc3\xafve",
    "invalid UTF-8": b"\xff\xfe",
    "long": b"a" * 20_000,
    "a bare end of line": b"a\nforged: yes",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("name", NAMES, ids=bytes.decode)
def test_b030_a_header_that_would_spoil_a_log_line_is_dropped_or_refused(served, standing, name, value) -> None:
    head = b"POST /v2/models/many/infer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n"
    before = len(served.log)

    answer = raw(served, head % len(BODY) + name + b": " + value + b"\r\n\r\n" + BODY)

    status = int(answer.split(b" ")[1])
    assert status in (200, 400, 431)
    assert value not in answer
    assert b"forged" not in answer
    assert all(line.isprintable() and "forged" not in line for line in served.log[before:])


@pytest.mark.parametrize("text", ["a\r\nb: c", "\x1b[31m", "a\0b", "\u2028", "x" * 257, "x" * 10**6])
def test_b030_an_id_that_would_spoil_a_log_line_is_refused(client, semantic, stands, text) -> None:
    reply = client.infer("many", TENSOR, id=text)

    assert_refused(reply, "id: expected at most 256 ", "got ")
    assert not any(text in line for line in semantic.log)


def test_b049_an_id_at_the_limit_comes_back(client, stands) -> None:
    assert client.infer("many", TENSOR, id="x" * 256).id == "x" * 256


def test_b049_a_request_without_id_gets_one(client, stands) -> None:
    first, second = client.infer("many", TENSOR), client.infer("many", TENSOR)

    assert first.code == second.code == "OK"
    assert first.id != second.id
    assert first.id


@pytest.mark.parametrize("value", ["\x7f", "00-zz-zz-01", "a" * 2000])
def test_b030_metadata_of_a_call_that_is_no_trace_is_dropped(semantic, stands, value) -> None:
    with grpc.insecure_channel(semantic.urls["grpc"].removeprefix("grpc://")) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        metadata = [(name, value.strip("\x7f") or "-") for name in ("x-request-id", "traceparent", "tracestate")]

        assert call(bytes(message_of("many", TENSOR)), metadata=metadata, timeout=60)


def test_b046_headers_among_the_parameters_are_none(semantic, stands) -> None:
    tensor = {**TENSOR, "name": "headers"}
    answer = semantic.post(
        "/v2/models/many/infer", {"inputs": [tensor], "parameters": {"headers": {"x-in": "forged"}}}, {"x-in": "real"}
    )

    assert reply_of(answer).outputs == {"said": ["real"]}
