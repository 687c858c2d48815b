"""The compression of answers."""

from __future__ import annotations

import gzip
import json
import os
import zlib

import pytest

UNPACKERS = {"gzip": gzip.decompress, "deflate": zlib.decompress}
TEXT = "word " * 1000


def ask(serving, accepted, text=TEXT, model="echo"):
    return serving.ask(model, text, {"Accept-Encoding": accepted})


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("GZIP", "gzip"),
        ("br, gzip, deflate", "gzip"),
        ("deflate, gzip", "gzip"),
        ("gzip;q=0.5, deflate;q=0.9", "deflate"),
        ("gzip; q=0, deflate", "deflate"),
        ("gzip;q=0.000, *", "deflate"),
        ("*", "gzip"),
        ("br, *;q=0.1", "gzip"),
        ("gzip;q=high, deflate", "deflate"),
    ],
)
def test_the_answer_is_packed_as_the_client_likes_it_best(rest, accepted, coding):
    answer = ask(rest, accepted)

    assert answer.headers["Content-Encoding"] == coding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert len(answer.body) < 1000
    assert json.loads(UNPACKERS[coding](answer.body))["outputs"][0]["data"] == [TEXT]


@pytest.mark.parametrize("accepted", ["", "br", "identity", "gzip;q=0", "*;q=0", "gzip;q=0, *;q=0", ";", ","])
def test_the_answer_is_plain_where_the_client_takes_nothing_else(rest, accepted):
    answer = ask(rest, accepted)

    assert answer.headers["Content-Encoding"] is None
    assert answer.json()["outputs"][0]["data"] == [TEXT]


def test_short_answers_are_plain(rest):
    assert ask(rest, "gzip", "short").headers["Content-Encoding"] is None


def test_answers_are_packed_from_just_the_least_size(serve):
    size = len(serve().ask("echo", "").body)
    serving = serve(gzip_min_bytes=size + 10)

    assert ask(serving, "gzip", "x" * 9).headers["Content-Encoding"] is None
    assert ask(serving, "gzip", "x" * 10).headers["Content-Encoding"] == "gzip"


def test_nothing_is_packed_where_that_is_switched_off(serve):
    assert ask(serve(gzip_enabled=False), "gzip").headers["Content-Encoding"] is None


@pytest.mark.parametrize("path", ["/v2/docs/dataplane.json", "/v2/docs/static/swagger-ui-bundle.js"])
def test_other_routes_are_packed_too(rest, path):
    packed = rest.get(path, {"Accept-Encoding": "deflate"})

    assert zlib.decompress(packed.body) == rest.get(path).body


def test_a_head_request_is_told_the_size_of_the_plain_answer(rest):
    answer = rest.request("HEAD", "/v2/docs/dataplane.json", headers={"Accept-Encoding": "gzip"})

    assert int(answer.headers["Content-Length"]) == len(rest.get("/v2/docs/dataplane.json").body)


def test_errors_are_packed_like_every_answer(rest):
    body = json.dumps({"inputs": [{"name": "x", "datatype": "x" * 40, "shape": [1], "data": [1]}]}).encode()
    answer = rest.post("/v2/models/echo/infer", body, {"Accept-Encoding": "gzip"})

    assert answer.status == 400
    assert answer.headers["Content-Encoding"] is None
    assert answer.json()["error"]


@pytest.mark.parametrize("count", [1000, 200_000])
@pytest.mark.parametrize("coding", UNPACKERS)
def test_binary_tensors_that_shrink_are_packed_behind_the_length_of_their_plain_head(rest, count, coding):
    answer = infer_binary(rest, bytes(count), {"Accept-Encoding": coding})
    body = UNPACKERS[coding](answer.body)
    length = int(answer.headers["Inference-Header-Content-Length"])

    assert answer.headers["Content-Encoding"] == coding
    assert json.loads(body[:length])["outputs"][0]["parameters"] == {"binary_data_size": count}
    assert body[length:] == bytes(count)


def test_long_binary_tensors_that_would_not_shrink_are_plain(rest):
    noise = os.urandom(200_000)
    answer = infer_binary(rest, noise, {"Accept-Encoding": "gzip"})

    assert answer.headers["Content-Encoding"] is None
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.body.endswith(noise)


def infer_binary(serving, data, headers):
    tensor = {"name": "x", "datatype": "UINT8", "shape": [len(data)], "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {**headers, "Inference-Header-Content-Length": str(len(head))}
    return serving.post("/v2/models/echo/infer", head + data, headers)
