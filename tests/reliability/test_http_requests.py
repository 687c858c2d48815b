"""Requests over HTTP that are odd, though well framed: methods, paths, headers, media types, pages of other origins."""

from __future__ import annotations

import json
import socket

import pytest
from standing import raw

INFER = "/v2/models/many/infer"


def body(name: str = "same", *texts: str) -> bytes:
    tensor = {"name": name, "datatype": "BYTES", "shape": [len(texts) or 1], "data": list(texts) or ["x"]}
    return json.dumps({"inputs": [tensor]}).encode()


def request(method: str, path: str, content: bytes = b"", *lines: str) -> bytes:
    head = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        f"Content-Length: {len(content)}",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + content


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_b021_half_a_body_is_never_given_to_a_model(served, standing, tmp_path) -> None:
    place = tmp_path / "notes"
    whole = request("POST", INFER, body("note", str(place), "text"), "Content-Type: application/json")
    host, _, port = served.url.partition("://")[2].rpartition(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(whole[:-10])
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    assert not place.exists()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", INFER, {"POST"}),
        ("DELETE", INFER, {"POST"}),
        ("PUT", "/v2/repository/models/many/load", {"POST"}),
        ("GET", "/v2/repository/index", {"POST"}),
        ("POST", "/v2/models/many", {"GET"}),
        ("POST", "/v2/health/live", {"GET"}),
        ("DELETE", "/v2", {"GET"}),
    ],
)
def test_b023_a_wrong_method_is_a_405_that_says_which_is_right(served, standing, method, path, allowed) -> None:
    answer = raw(served, request(method, path))
    allow = next(line for line in answer.split(b"\r\n") if line.lower().startswith(b"allow:"))

    assert status(answer) == 405
    assert allowed <= {word.strip() for word in allow.decode().partition(":")[2].split(",")}
    assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) == {"error"}


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "post", "PROPFIND", "X" * 100])
def test_b023_methods_that_nobody_needs_are_refused(served, standing, method) -> None:
    path = "localhost:80" if method == "CONNECT" else INFER

    assert status(raw(served, request(method, path))) in (400, 405, 501)


@pytest.mark.parametrize(
    "path",
    [
        "//v2//models",
        "/v2/models/many/../many/infer",
        "/v2/models/x/../many/infer",
        "/v2/models/%2e%2e/infer",
        "/v2/models/..%2fmany/infer",
        "/v2/models/many%00/infer",
        "/v2/models/many%ff/infer",
        "/v2/models/many;x=1/infer",
        "/v2/models//infer",
        "/v2/models/MANY/infer",
        "/v2/models/many /infer",
    ],
)
def test_b024_an_odd_path_leads_to_no_model(served, standing, path) -> None:
    answer = raw(served, request("POST", path, body(), "Content-Type: application/json"))

    assert status(answer) in (400, 404)
    assert b"outputs" not in answer


@pytest.mark.parametrize(
    "lines",
    [
        ("Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"),
        ("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
    ],
)
def test_b025_no_other_protocol_is_taken_up(served, standing, lines) -> None:
    sent = request("GET", "/v2/health/live", b"", *lines).replace(b"Connection: close", b"Connection: Upgrade, close")

    answer = raw(served, sent)

    assert status(answer) in (200, 400)
    assert b"101" not in answer.split(b"\r\n", 1)[0]


def test_b026_what_a_client_says_of_its_address_is_not_believed(served) -> None:
    before = len(served.log)
    lines = ("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /evil")

    answer = raw(served, request("POST", INFER, body("bug"), "Content-Type: application/json", *lines))

    assert status(answer) == 500
    assert b"evil" not in answer
    while not (written := [line for line in served.log[before:] if "peer=" in line]):
        pass
    assert all("peer=127.0.0.1" in line and "203.0.113.9" not in line for line in written)


@pytest.mark.parametrize(
    "lines",
    [
        ("Range: bytes=0-1",),
        ('If-Match: "x"', "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"),
        (f"Cookie: {'; '.join(f'name{number}=value' for number in range(300))}",),
        ("Accept: image/png",),
        ("Accept-Language: xx", "DNT: 1", "TE: trailers"),
    ],
)
def test_b027_headers_that_say_nothing_here_change_nothing(served, standing, lines) -> None:
    answer = raw(served, request("POST", INFER, body(), "Content-Type: application/json", *lines))

    assert status(answer) in (200, 406)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), 200),
        (("Content-Type: application/json; charset=utf-8",), 200),
        (("Content-Type: text/plain",), 415),
        (("Content-Type: application/json; charset=utf-16",), 415),
        (("Content-Type: application/x-www-form-urlencoded",), 415),
        (("Content-Type: multipart/form-data; boundary=x",), 415),
        (("Content-Type: application/octet-stream+pickle",), 415),
    ],
)
def test_b028_only_json_is_read(served, standing, lines, expected) -> None:
    assert status(raw(served, request("POST", INFER, body(), *lines))) == expected


def test_b028_a_form_of_many_parts_is_not_parsed(served, standing) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
    answer = raw(
        served, request("POST", INFER, part * 100_000 + b"--x--", "Content-Type: multipart/form-data; boundary=x")
    )

    assert status(answer) == 415


@pytest.mark.parametrize("path", ["/v2/repository/models/many/unload", "/v2/repository/models/many/load"])
@pytest.mark.parametrize(
    ("host", "lines"),
    [
        ("localhost", ("Origin: https://elsewhere.example",)),
        ("localhost", ("Origin: null",)),
        ("rebound.example", ()),
        ("rebound.example", ("Origin: http://rebound.example",)),
    ],
)
def test_b029_a_page_of_another_origin_changes_nothing(served, standing, path, host, lines) -> None:
    answer = raw(served, request("POST", path, b"", *lines).replace(b"Host: localhost", b"Host: " + host.encode()))

    assert status(answer) == 403
    assert b"access-control" not in answer.lower()
