"""Bodies: their limit, to the byte, and their compression."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

LIMIT = 2000
HEAD = b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\n"


def request_of(size: int) -> bytes:
    """Return an infer request of exactly so many bytes."""
    body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}).encode()
    return body + b" " * (size - len(body))


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "GZIP": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize(("size", "status"), [(LIMIT - 1, 200), (LIMIT, 200), (LIMIT + 1, 413), (100 * LIMIT, 413)])
def test_an_announced_body_may_have_just_the_limit(limited, size, status):
    assert limited.post("/v2/models/echo/infer", request_of(size)).status == status


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (100 * LIMIT, 413)])
@pytest.mark.parametrize("chunk", [333, LIMIT])
@pytest.mark.parametrize("in_one_packet", [True, False])
def test_a_chunked_body_may_have_just_the_limit(limited, size, status, chunk, in_one_packet):
    head = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = chunked(request_of(size), chunk)
    answer = limited.exchange(head + body) if in_one_packet else limited.exchange(head, body[:500], body[500:])

    assert answer.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (10_000_000, 413)])
@pytest.mark.parametrize("encoding", PACKERS)
def test_a_packed_body_may_have_just_the_limit_once_unpacked(limited, size, status, encoding):
    body = PACKERS[encoding](request_of(size))
    answer = limited.post("/v2/models/echo/infer", body, {"Content-Encoding": encoding})

    assert answer.status == status


def test_a_packed_body_over_the_limit_is_not_even_unpacked(limited):
    body = gzip.compress(bytes(range(256)) * 20, compresslevel=0)
    answer = limited.post("/v2/models/echo/infer", body, {"Content-Encoding": "gzip"})

    assert answer.status == 413


def test_what_is_too_large_is_told_with_the_limit_and_its_setting(limited):
    answer = limited.post("/v2/models/echo/infer", request_of(LIMIT + 1))

    assert answer.json() == {"error": "the body is larger than 2000 bytes, the setting max_body_bytes"}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("path", ["/v2/repository/index", "/v2/repository/models/echo/load", "/v2/nowhere", "/v2"])
def test_the_limit_holds_on_every_path(limited, path):
    assert limited.post(path, b" " * (LIMIT + 1)).status == 413


@pytest.mark.parametrize("length", [LIMIT + 1, 10**18])
@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_an_announcement_over_the_limit_is_refused_at_once_and_never_continued(limited, length, expect):
    with limited.connect() as client:
        client.sendall(HEAD + expect + b"Content-Length: %d\r\n\r\n" % length)
        answer = client.recv(65536)  # though the body never comes

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_refusal_does_not_wait_to_be_packed(serve):
    serving = serve(max_body_bytes=LIMIT, gzip_min_bytes=1)
    with serving.connect() as client:
        client.sendall(HEAD + b"Accept-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n")
        answer = client.recv(65536)  # though the body never comes

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_waits_for_it_is_told_to_continue(limited):
    body = request_of(200)
    with limited.connect() as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        told = client.recv(65536)
        client.sendall(body)
        answer = client.recv(65536)

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_client_that_sends_everything_first_still_reads_its_refusal(limited):
    answer = limited.post("/v2/models/echo/infer", bytes(20_000_000))

    assert answer.status == 413


def _send_chunks(client, count):
    for _ in range(count):
        client.sendall(b"1000\r\n" + bytes(4096) + b"\r\n")


def test_a_client_that_never_stops_sending_is_cut_off(limited):
    with limited.connect() as client:
        client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            _send_chunks(client, 10_000_000)


@pytest.mark.parametrize("encoding", PACKERS)
def test_a_packed_request_is_answered_like_a_plain_one(rest, encoding):
    body = PACKERS[encoding](request_of(300))
    answer = rest.post("/v2/models/echo/infer", body, {"Content-Encoding": encoding})

    assert answer.json()["outputs"][0]["data"] == [1.0]


def test_deflate_without_the_header_of_zlib_is_read_too(rest):
    answer = rest.post("/v2/models/echo/infer", raw_deflate(request_of(300)), {"Content-Encoding": "deflate"})

    assert answer.status == 200


@pytest.mark.parametrize("size", [50, 3000, 300_000, 3_000_000])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_packed_binary_tensors_arrive_aligned_and_whole(rest, size, encoding):
    data = bytes(index * 37 % 251 for index in range(1000)) * (size // 1000 + 1)
    tensor = {"name": "x", "datatype": "UINT8", "shape": [len(data)], "parameters": {"binary_data_size": len(data)}}

    def ask(model, **parameters):
        head = json.dumps({"inputs": [tensor], "parameters": parameters}).encode()
        headers = {"Content-Encoding": encoding, "Inference-Header-Content-Length": str(len(head))}
        return rest.post(f"/v2/models/{model}/infer", PACKERS[encoding](head + data), headers)

    assert ask("echo", binary_data_output=True).body.endswith(data)
    assert ask("memory").json()["outputs"][0]["data"] == ["x writable=True aligned=True"]


def test_a_packed_index_request_is_read(rest):
    body = gzip.compress(b'{"ready": true}')

    assert rest.post("/v2/repository/index", body, {"Content-Encoding": "gzip"}).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [300, 200_000])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda packed: packed[:-9],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed + b"more",
        lambda packed: packed + packed,
        lambda packed: packed[:-5] + bytes([packed[-5] ^ 255]) + packed[-4:],
        lambda packed: b"",
        lambda packed: b"x",
        lambda packed: b'{"inputs": []}',
    ],
)
def test_a_body_that_is_not_what_its_encoding_says_is_400(rest, encoding, size, spoil):
    body = request_of(size)[:-1] + b"\n"
    packed = PACKERS[encoding](body + bytes(index * 91 % 256 for index in range(size)))
    answer = rest.post("/v2/models/echo/infer", spoil(packed), {"Content-Encoding": encoding})

    assert answer.status == 400
    assert "Content-Encoding" in answer.json()["error"]


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "x", "gzip, gzip", "gzip, deflate", "é"])
@pytest.mark.parametrize("path", ["/v2/models/echo/infer", "/v2/repository/index"])
def test_other_encodings_are_415(rest, encoding, path):
    answer = rest.post(path, request_of(200), {"Content-Encoding": encoding})

    assert answer.status == 415
    assert answer.json()["error"].startswith("Content-Encoding: expected gzip or deflate, got ")


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_identity_is_no_encoding(rest, encoding):
    assert rest.post("/v2/models/echo/infer", request_of(200), {"Content-Encoding": encoding}).status == 200
