"""HTTP requests that are larger than any real one, or grow when they are unpacked (B010 to B019)."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from many import MODEL
from mlcore.testing import start_server
from standing import Standing, control_answer, raw

from .test_http_framing import BODY, CHUNK, CHUNKED, INFER, error_of, said

LIMIT = 64 * 2**20
MIB = 2**20


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """Return a server that takes bodies of at most 1 MiB, so that its limit is reached soon."""
    folder = tmp_path_factory.mktemp("narrow")
    (folder / "many.py").write_text(MODEL)
    (folder / "model-settings.json").write_text(json.dumps({"name": "many", "implementation": "many.Many"}))
    server = start_server(folder, "--parallel-workers", "1", env={"MLCORE_MAX_BODY_BYTES": str(MIB)})
    for _ in range(20):
        control_answer(server)
    yield server
    server.stop()


def sized(size: int) -> bytes:
    """Return the body of a valid request, with so many bytes."""
    return BODY[:-1].ljust(size - 1) + BODY[-1:]


@pytest.mark.parametrize("announced", [LIMIT + 1, 10**18], ids=["b010", "b012"])
def test_b010_b012_an_announced_body_over_the_limit_is_refused_before_it_is_sent(served, standing, announced) -> None:
    answer = raw(served, INFER + b"Content-Length: %d\r\n\r\n" % announced)

    assert said(answer) == [413]
    assert error_of(answer) == f"the body is larger than {LIMIT} bytes, the setting max_body_bytes"


def test_b010_a_body_over_the_limit_without_an_announcement_is_refused_at_the_limit(narrow) -> None:
    stood = Standing(narrow)
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"

    answer = raw(narrow, INFER + CHUNKED + b"\r\n", *[chunk] * 17)

    assert said(answer) == [413]
    assert error_of(answer) == f"the body is larger than {MIB} bytes, the setting max_body_bytes"
    stood.check()


@pytest.mark.parametrize("size", [MIB - 1, MIB])
def test_b011_a_body_up_to_the_limit_is_taken(narrow, size) -> None:
    stood = Standing(narrow)

    answer = narrow.post("/v2/models/many/infer", sized(size), {"Content-Type": "application/json"})

    assert answer.status == 200
    stood.check()


def test_b013_a_client_that_asks_before_it_sends_too_much_is_not_told_to_go_on(served, standing) -> None:
    sent = INFER + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (LIMIT + 1)

    assert said(raw(served, sent)) == [413]


@pytest.mark.parametrize("piece", [b"1\r\n \r\n", b"64\r\n" + b" " * 100 + b"\r\n"], ids=["1 byte", "100 bytes"])
def test_b014_a_body_of_too_many_chunks_is_refused(served, standing, piece) -> None:
    answer = raw(served, INFER + CHUNKED + b"\r\n", *[piece * 1000] * 66)

    assert said(answer) == [413]
    assert error_of(answer) == "the body comes in more than 65536 chunks, the setting max_chunks"


def test_b014_chunks_up_to_their_limit_are_taken(served, standing) -> None:
    spaces = b"1\r\n \r\n" * 65_534
    sent = INFER + CHUNKED + b"Connection: close\r\n\r\n" + spaces + CHUNK + b"0\r\n\r\n"

    assert said(raw(served, sent)) == [200]


@pytest.mark.parametrize(
    "chunks",
    [
        (b"1;" + b"x" * 1000 + b"\r\n \r\n") * 1000,
        b"1;" + b"x" * MIB + b"\r\n \r\n",
        b"0" * MIB + b"1\r\n \r\n",
        b"0\r\nX: " + b"x" * MIB + b"\r\n\r\n",
        b"0\r\n" + b"X: y\r\n" * 200_000 + b"\r\n",
    ],
    ids=["extensions", "an extension", "digits", "a trailer", "trailers"],
)
def test_b015_what_chunks_say_besides_the_body_is_bounded(served, standing, chunks) -> None:
    answer = raw(served, INFER + CHUNKED + b"\r\n", chunks)

    assert said(answer) == [431]
    assert error_of(answer).endswith("larger than 32768 bytes, the setting max_header_bytes")


@pytest.mark.parametrize(
    ("fields", "setting"),
    [
        (b"X: " + b"x" * 65_536 + b"\r\n", "max_header_bytes"),
        (b"X: " + b"x" * 8 * MIB + b"\r\n", "max_header_bytes"),
        (b"X" * 65_536 + b": x\r\n", "max_header_bytes"),
        ((b"X: " + b"x" * 1000 + b"\r\n") * 8000, "max_header"),
        (b"X: y\r\n" * 100, "max_headers"),
    ],
    ids=["64 KiB", "8 MiB", "a name", "8000 fields", "101 fields"],
)
def test_b016_a_head_that_is_too_large_is_refused(served, standing, fields, setting) -> None:
    answer = raw(served, INFER + fields + b"\r\n")

    assert said(answer) == [431]
    assert setting in error_of(answer)


def test_b016_a_head_up_to_the_limits_is_taken(served, standing) -> None:
    fields = b"X: y\r\n" * 97 + b"X: " + b"x" * 31_000 + b"\r\nConnection: close\r\n"
    get = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n"
    posted = INFER + fields.replace(b"X: y\r\n", b"", 1) + b"Content-Length: 200000\r\n\r\n" + sized(200_000)

    assert said(raw(served, get)) == [200]
    assert said(raw(served, posted)) == [200], "the body is no part of the head"


@pytest.mark.parametrize(
    "target",
    [b"/v2?" + b"x" * MIB, b"/v2/" + b"x" * 8200, b"/v2/models/many?" + b"&".join(b"a%d=b" % n for n in range(10_000))],
    ids=["1 MiB", "8 KiB", "10,000 parameters"],
)
def test_b017_an_address_that_is_too_long_is_refused(served, standing, target) -> None:
    answer = raw(served, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert said(answer) == [414]
    assert error_of(answer) == "the address is longer than 8192 bytes, the setting max_url_bytes"


def packed(served, body: bytes, coding: str):
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    return served.post("/v2/models/many/infer", body, headers)


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """Return 300 MiB, packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(300)) + packer.flush()


def test_b018_a_body_that_unpacks_to_more_than_the_limit_is_refused(served, standing, bomb) -> None:
    answer = packed(served, bomb, "gzip")

    assert answer.status == 413
    assert answer.json() == {"error": f"the body is larger than {LIMIT} bytes, the setting max_body_bytes"}


def test_b018_a_body_that_is_packed_twice_is_refused(served, standing, bomb) -> None:
    assert packed(served, gzip.compress(bomb), "gzip").status == 400  # what is in there is no JSON
    assert packed(served, gzip.compress(bomb), "gzip, gzip").status == 415


def test_b018_a_body_may_unpack_to_any_ratio_within_the_limit(served, standing) -> None:
    assert packed(served, gzip.compress(sized(900_000)), "gzip").status == 200


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(BODY)[:-9],
        gzip.compress(BODY)[:-8] + b"\0\0\0\0" + gzip.compress(BODY)[-4:],
        gzip.compress(BODY) + b"more",
        b"",
        BODY,
    ],
    ids=["cut off", "wrong checksum", "more behind it", "nothing", "not packed"],
)
def test_b019_a_body_that_is_not_what_its_coding_says_is_refused(served, standing, body) -> None:
    answer = packed(served, body, "gzip")

    assert answer.status == 400
    assert "Content-Encoding" in answer.json()["error"]


@pytest.mark.parametrize("coding", ["br", "zstd", "x", "gzip, deflate", "identity, gzip"])
def test_b019_other_codings_and_several_are_refused(served, standing, coding) -> None:
    assert packed(served, BODY, coding).status == 415
