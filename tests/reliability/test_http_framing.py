"""HTTP that two servers in a row could read differently, and what is no HTTP at all (B001 to B009)."""

from __future__ import annotations

import json
import re
import socket

import pytest
from standing import raw

TENSOR = {"name": "same", "datatype": "BYTES", "shape": [1], "data": ["x"]}
BODY = json.dumps({"inputs": [TENSOR]}).encode()
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
INFER = b"POST /v2/models/many/infer HTTP/1.1\r\nHost: x\r\n"
UNLOAD = b"POST /v2/repository/models/many/unload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"

LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def said(answer: bytes) -> list[int]:
    """Return the statuses of all answers that came."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def error_of(answer: bytes) -> str:
    """Return what the only answer says, which is an error and ends the connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json\r\n" in head + b"\r\n"
    assert b"connection: close" in head
    told = json.loads(body)
    assert list(told) == ["error"]
    text: str = told["error"]
    return text


def check_refused(served, sent: bytes, status: int = 400) -> None:
    """Check that a request is refused, and that none of what follows it on the connection is run."""
    answer = raw(served, sent + UNLOAD)

    assert said(answer) == [status], answer
    assert error_of(answer)
    assert served.get("/v2/models/many/ready").status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\x17random\x02" * 20,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"GET /v2 HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /v2\r\n\r\n",
    ],
    ids=["random", "TLS", "HTTP/2 preface", "HTTP/2 line", "HTTP/0.9"],
)
def test_b001_what_is_no_http_is_refused(served, standing, sent) -> None:
    (status,) = said(raw(served, sent))

    assert status in (400, 505)


@pytest.mark.parametrize("fields", [LENGTH + CHUNKED, CHUNKED + LENGTH], ids=["length first", "chunks first"])
def test_b002_length_and_chunks_together_are_refused(served, standing, fields) -> None:
    check_refused(served, INFER + fields + b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5,5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 5 5\r\n",
        b"Content-Length: \r\n",
        b"Content-Length: 99999999999999999999\r\n",
    ],
)
def test_b003_an_odd_length_is_refused(served, standing, fields) -> None:
    check_refused(served, INFER + fields + b"\r\nabcde")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"Transfer-Encoding: chunked, identity\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding:\tchunked\r\n", 400),
        (b"Transfer-Encoding: \tchunked\r\n", 400),
        (b"Transfer-Encoding:\x0bchunked\r\n", 400),
        (b"Transfer-Encoding:\r\n", 400),
        (b"Transfer-Encoding: xchunked\r\n", 501),
        (b"Transfer-Encoding: identity\r\n", 501),
        (b"Transfer-Encoding: identity, chunked\r\n", 501),
        (b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501),
        (b"Transfer-Encoding: chunked;q=1\r\n", 501),
        (b'Transfer-Encoding: "chunked"\r\n', 501),
    ],
)
def test_b004_a_transfer_coding_other_than_chunked_is_refused(served, standing, fields, status) -> None:
    check_refused(served, INFER + fields + b"\r\n0\r\n\r\n", status)


def test_b004_chunks_in_http_1_0_are_refused(served, standing) -> None:
    check_refused(served, INFER.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "head",
    [
        INFER + b"X: a\r\n b\r\n\r\n",
        INFER + b"X: a\r\n\tb\r\n\r\n",
        INFER + b"Content-Length:\r\n 5\r\n\r\nabcde",
        b"GET /v2 HTTP/1.1\r\n Host: x\r\n\r\n",
        b"GET /v2 HTTP/1.1\nHost: x\n\n",
        b"GET /v2 HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\nHost: x\r\n\n",
        b"GET /v2 HTTP/1.1\r\nHost: x\r\nX: y\rZ: z\r\n\r\n",
    ],
    ids=["space", "tab", "length", "first", "LF everywhere", "LF in a field", "LF at the end", "CR alone"],
)
def test_b005_folded_lines_and_other_line_ends_are_refused(served, standing, head) -> None:
    check_refused(served, head)


@pytest.mark.parametrize(
    "field",
    [
        b"X : y",
        b"X\t: y",
        b"X: a\0b",
        b"X: a\rb",
        b"X: a\x01b",
        b"X: a\x7fb",
        b"X(y): z",
        b"X@: z",
        b": z",
        b"X",
        b"\xff: z",
    ],
)
def test_b006_a_field_that_is_none_is_refused(served, standing, field) -> None:
    check_refused(served, INFER + field + b"\r\n\r\n")


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"Host: x\r\nHost: x\r\n",
        b"Host: x\r\nHost: y\r\n",
        b"Host: x/y\r\n",
        b"Host: user@x\r\n",
        b"Host: http://x\r\n",
        b"Host: a b\r\n",
        b"Host: x:port\r\n",
        b"Host: [::1\r\n",
        b"Host:\r\n",
    ],
)
def test_b007_a_missing_second_or_odd_host_is_refused(served, standing, fields) -> None:
    check_refused(served, b"GET /v2/health/live HTTP/1.1\r\n" + fields + b"\r\n")


@pytest.mark.parametrize("host", [b"x", b"X.example:8080", b"127.0.0.1", b"[::1]:80", b"a_b"])
def test_b007_a_host_is_a_name_or_an_address(served, standing, host) -> None:
    sent = b"GET /v2/health/live HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"

    assert said(raw(served, sent)) == [200]


def test_b007_http_1_0_needs_no_host(served, standing) -> None:
    assert said(raw(served, b"GET /v2/health/live HTTP/1.0\r\n\r\n")) == [200]


@pytest.mark.parametrize(
    "chunks",
    [
        b"FFFFFFFFFFFFFFFFF\r\nx",
        b"-1\r\nx\r\n0\r\n\r\n",
        b"0x10\r\nx\r\n0\r\n\r\n",
        b" 1\r\nx\r\n0\r\n\r\n",
        b"1 \r\nx\r\n0\r\n\r\n",
        b"1\t\r\nx\r\n0\r\n\r\n",
        b"1\nx\r\n0\r\n\r\n",
        b"1\r\nx\n0\r\n\r\n",
        b"1\r\nx0\r\n\r\n",
        b"1\r\nxy\r\n0\r\n\r\n",
        b"1;a\nx\r\n0\r\n\r\n",
        b"1\r\nx\r\n0\r\n\n",
        b"\r\nx",
    ],
)
def test_b008_a_chunk_that_is_none_is_refused(served, standing, chunks) -> None:
    check_refused(served, INFER + CHUNKED + b"\r\n" + chunks)


def test_b008_a_chunk_of_a_hidden_length_never_ends_the_body_early(served, standing) -> None:
    """Seventeen digits are no more than one where the others are zero; the last sixteen alone would be."""
    sent = INFER + CHUNKED + b"Connection: close\r\n\r\n" + CHUNK.rjust(len(CHUNK) + 17, b"0") + b"0\r\n\r\n"

    assert said(raw(served, sent)) == [200]


@pytest.mark.parametrize("chunks", [b"1\r\nx", b"zz\r\n"])
def test_b008_a_body_that_breaks_after_its_request_began_is_refused(served, standing, chunks) -> None:
    with socket.create_connection(served.url.removeprefix("http://").split(":"), 30) as client:
        client.sendall(INFER + CHUNKED + b"\r\n1\r\n{\r\n")
        client.sendall(chunks + UNLOAD)
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert said(answer) == [400]
    assert error_of(answer) == "this is not a valid HTTP/1.1 request"


def test_b009_a_request_inside_a_body_is_not_run(served, standing) -> None:
    inside = INFER + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(UNLOAD) + UNLOAD

    assert said(raw(served, inside)) == [400]
    assert served.get("/v2/models/many/ready").status == 200


def test_b009_a_request_behind_the_last_chunk_is_one_of_its_own(served, standing) -> None:
    """What stands in a trailer changes neither the request that it ends nor the next."""
    first = INFER + CHUNKED + b"\r\n" + CHUNK + b"0\r\nContent-Type: text/plain\r\nHost: y\r\n\r\n"
    second = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    assert said(raw(served, first + second)) == [200, 200]


def test_b009_what_is_broken_does_not_take_the_answer_before_it(served, standing) -> None:
    good = INFER + LENGTH + b"\r\n" + BODY

    answer = raw(served, good + good + b"broken\r\n\r\n" + UNLOAD)

    assert said(answer) == [200, 200, 400]
    assert served.get("/v2/models/many/ready").status == 200


def test_b009_a_request_with_a_broken_body_waits_for_its_turn(served, standing) -> None:
    good = INFER + LENGTH + b"\r\n" + BODY

    assert said(raw(served, good + INFER + CHUNKED + b"\r\n1\r\nxy" + UNLOAD)) == [200, 400]
