"""The worst of B080 to B099 against a real process: after each it stands as before.

The whole table is in the tests of the gRPC transport, beside what it is about.
"""

from __future__ import annotations

import gzip

import pytest
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, PingFrame, SettingsFrame, WindowUpdateFrame
from standing import Standing
from wire import SERVICE, Wire, framed, unknown

from .asking import GrpcClient, message_of

OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 0, 3, 8, 12, 13
CALM = 0xB
SAME = {"name": "same", "datatype": "BYTES", "shape": [1], "data": ["a"]}
GOOD = bytes(message_of("many", SAME))
KEPT = 32 * 2**20
"""What a flood may leave in memory at most."""


@pytest.fixture(scope="module")
def warm(served):
    """Return the server after its first call over gRPC, which makes what is made once."""
    client = GrpcClient(served)
    client.infer("many", SAME)
    client.close()
    return served


@pytest.fixture
def wire(warm):
    stood = Standing(warm)
    made = Wire(warm.urls["grpc"].removeprefix("grpc://"))
    yield made
    made.close()
    stood.check(growth_bytes=KEPT)


def asked(wire, stream_id=1, message=None, **options):
    """Send a call, and return its status."""
    wire.send(wire.head(stream_id, **options), wire.body(stream_id, framed(GOOD if message is None else message)))
    return wire.over(stream_id)


@pytest.mark.parametrize(
    "first",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"],
)
def test_b080_what_is_not_http2_is_closed(warm, first) -> None:
    stood = Standing(warm)
    other = Wire(warm.urls["grpc"].removeprefix("grpc://"), is_begun=False)
    other.send(first)
    other.closed()
    other.close()
    stood.check()


@pytest.mark.parametrize(
    "frame", [unknown(0x42, 0, b"x" * 100), unknown(0x0A, 0, b"\0\0a"), SettingsFrame(0, settings={0x1A1A: 5})]
)
def test_b081_what_nobody_knows_is_ignored(wire, frame) -> None:
    wire.send(frame)

    assert asked(wire) == OK


def test_b082_a_call_without_a_path_is_reset_and_the_connection_stays(wire) -> None:
    wire.send(wire.head(1, without=(":path",)), wire.body(1, framed(GOOD)))
    wire.over(1)

    assert 1 in wire.resets
    assert asked(wire, 3) == OK


def test_b083_rapid_resets_end_the_connection(wire, warm) -> None:
    other = GrpcClient(warm)
    for first in range(1, 40_000, 400):
        calls = range(first, first + 400, 2)
        wire.send(*(frame for call in calls for frame in (wire.head(call), wire.reset(call))))
        if first % 8000 == 1:
            assert other.infer("many", SAME).outputs == {"same": ["a"]}
    other.close()

    assert wire.closed() == CALM


@pytest.mark.parametrize(
    "frame",
    [PingFrame(0, b"12345678"), SettingsFrame(0), DataFrame(1, b""), WindowUpdateFrame(0, window_increment=1)],
    ids=["PING", "SETTINGS", "DATA", "WINDOW_UPDATE"],
)
def test_b084_a_flood_of_frames_ends_the_connection(wire, frame) -> None:
    wire.send(wire.head(1))
    for _ in range(100):
        wire.send(*[frame] * 200)

    assert wire.closed() == CALM


@pytest.mark.parametrize("piece", [b"", b"x" * 16_000], ids=["empty", "large"])
def test_b085_a_header_block_without_end_ends_the_connection(wire, piece) -> None:
    wire.send(HeadersFrame(1, b"\x82"), *[ContinuationFrame(1, piece)] * 100)

    assert wire.closed() == CALM


def test_b088_streams_that_the_server_is_made_to_reset_end_the_connection(wire) -> None:
    for first in range(1, 8000, 400):
        wire.send(*(wire.head(call, without=(":path",)) for call in range(first, first + 400, 2)))

    assert wire.closed() == CALM


def test_b089_a_message_that_announces_too_much_is_refused_after_five_bytes(wire) -> None:
    wire.send(wire.head(1), wire.body(1, b"\0\xff\xff\xff\xff", ends=False))

    assert wire.over(1) == RESOURCE_EXHAUSTED
    assert asked(wire, 3) == OK


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", framed(GOOD)[:-1], framed(GOOD) + b"x", framed(GOOD) * 2],
    ids=["none", "1", "cut", "more", "2"],
)
def test_b090_a_call_that_has_not_one_message_is_refused(wire, data) -> None:
    wire.send(wire.head(1), wire.body(1, data))

    assert wire.over(1) in (INVALID_ARGUMENT, UNIMPLEMENTED, INTERNAL)


@pytest.mark.parametrize(
    ("packed", "encoding", "status"),
    [
        (gzip.compress(GOOD), b"identity", INTERNAL),
        (GOOD, b"snappy", UNIMPLEMENTED),
        (GOOD, b"gzip", INVALID_ARGUMENT),
        (gzip.compress(bytes(64 * 2**20 + 1), 1), b"gzip", RESOURCE_EXHAUSTED),
    ],
    ids=["identity", "unknown", "not packed", "bomb"],
)
def test_b091_what_is_not_compressed_as_it_says_is_refused(wire, packed, encoding, status) -> None:
    wire.send(wire.head(1, headers=[(b"grpc-encoding", encoding)]), wire.body(1, framed(packed, 1)))

    assert wire.over(1) == status
    assert asked(wire, 3) == OK


@pytest.mark.parametrize(
    "message",
    [
        GOOD[:-1],
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x08\x01",
        b"\x0b\x0c",
        b"\x02\x00",
        b"\x0a" + b"\xff" * 11,
        b"\x0a\x01\xff",
    ],
    ids=["cut", "long", "wire type", "group", "field 0", "varint", "UTF-8"],
)
def test_b092_a_malformed_message_is_refused(wire, message) -> None:
    assert asked(wire, message=message) == INVALID_ARGUMENT


@pytest.mark.parametrize(
    "message",
    [
        b"\x0a\x04many" + b"\x2a\x00" * 200_000,
        b"\x0a\x04many" + b"\x22\x05\x0a\x01k\x12\x00" * 100_000,
        b"\x0a\x04many\x2a\x82\x80\x3d\x1a\xfe\xff\x3c" + b"\x01" * 999_998,
    ],
    ids=["inputs", "parameters", "dimensions"],
)
def test_b093_messages_of_many_small_parts_are_refused(wire, message) -> None:
    assert asked(wire, message=message) == INVALID_ARGUMENT


@pytest.mark.parametrize(
    "header", [(b"x-text", b"caf\xc3\xa9"), (b"x-thing-bin", b"!!!!"), (b"grpc-timeout", b"soon")], ids=str
)
def test_b096_metadata_that_is_wrong_ends_its_call_only(wire, header) -> None:
    assert asked(wire, headers=[header]) == INVALID_ARGUMENT
    assert asked(wire, 3) == OK


def test_b097_a_method_that_is_unknown_is_told_and_the_connection_stays(wire) -> None:
    assert asked(wire, path=f"{SERVICE}/Nothing") == UNIMPLEMENTED
    assert asked(wire, 3) == OK
