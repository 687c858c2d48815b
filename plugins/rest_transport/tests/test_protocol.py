"""What is no HTTP request, or one that offers another protocol."""

from __future__ import annotations

import json

import pytest

GET = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n"
BODY = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}).encode()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"hello\r\n\r\n",
        b"get /v2 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"FETCH /v2 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2 HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /v2\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\nx",
        b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\nx",
        b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http_request_is_a_400_in_json(rest, request_bytes):
    head, _, body = rest.exchange(request_bytes).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/json" in head
    assert json.loads(body) == {"error": "this is not a valid HTTP/1.1 request"}


@pytest.mark.parametrize("size", [b"x", b"-1", b"0x10", b"ffffffffffffffffff"])
def test_a_chunk_of_no_size_is_a_400(rest, size):
    head = b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert rest.exchange(head + size + b"\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "offer", [b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings", b"Upgrade: websocket\r\nConnection: Upgrade"]
)
def test_another_protocol_is_offered_in_vain(rest, caplog, offer):
    got = rest.exchange(GET + offer + b", close\r\n\r\n")
    posted = rest.exchange(
        b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\n%s, close\r\nContent-Length: %d\r\n\r\n"
        % (offer, len(BODY))
        + BODY
    )

    assert got.startswith(b"HTTP/1.1 200 OK")
    assert posted.startswith(b"HTTP/1.1 200 OK")
    assert not caplog.records


def test_http_1_0_is_answered_and_closed(rest):
    assert rest.exchange(b"GET /v2/health/live HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 OK")


def test_a_tunnel_is_not_opened(rest):
    answer = rest.exchange(b"CONNECT /v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 405 ")


def test_a_host_that_is_none_is_a_400(rest):
    answer = rest.get("/v2", {"Host": "a b/c"})

    assert answer.status == 400
    assert list(answer.json()) == ["error"]
