"""HTTP/2 as hostile or careless clients send it: B080 to B088 of our list of attacks."""

from __future__ import annotations

import socket

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from .wire import PREFACE, Wire, assert_well, eventually, framed, request, said, unknown

NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 3
FRAME_SIZE_ERROR, REFUSED_STREAM, COMPRESSION_ERROR, CALM = 6, 7, 9, 11


# --- B080 ---


@pytest.mark.parametrize(
    "first", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"\x16\x03\x01"]
)
def test_b080_what_is_not_http2_is_closed_at_once(server, connect, first):
    wire = connect(server, is_begun=False)
    wire.send(first)

    assert wire.closed() == PROTOCOL_ERROR
    assert_well(server.address)


def test_b080_a_preface_may_come_in_pieces(server, connect):
    wire = connect(server, is_begun=False)
    for byte in PREFACE + SettingsFrame(0).serialize():
        wire.send(bytes([byte]))
    wire.ask(1, "say hello")

    assert wire.over(1) == 0


def test_b080_a_first_frame_other_than_settings_closes_the_connection(server, connect):
    wire = connect(server, is_begun=False)
    wire.send(PREFACE, PingFrame(0, b"12345678"))

    assert wire.closed() == PROTOCOL_ERROR


@pytest.mark.parametrize("first", [b"", PREFACE[:10], PREFACE])
def test_b080_a_client_that_does_not_begin_is_closed(serve, connect, first):
    server = serve(grpc_handshake_timeout=0.2)
    wire = connect(server, is_begun=False)
    wire.send(first)

    assert wire.closed() == PROTOCOL_ERROR
    eventually(lambda: not server.connections)


def test_b080_many_clients_that_say_nothing_do_not_disturb_the_others(serve):
    server = serve(grpc_max_connections_per_peer=10_000)
    silent = [socket.create_connection(server.server.transports[0]._socket.getsockname()) for _ in range(500)]
    assert_well(server.address)
    for one in silent:
        one.close()
    eventually(lambda: not server.connections)


# --- B081 ---


@pytest.mark.parametrize(
    "frame",
    [
        unknown(0x42, 0, b"x" * 100),
        unknown(0x0A, 0, b"\x00\x00altsvc"),
        unknown(0x10, 0, b"\x00\x00\x00\x01u=3"),
        unknown(0xFF, 1, b""),
        unknown(0x42, 0, b"x" * 1_000_000),
        PriorityFrame(3, depends_on=1, stream_weight=5),
        SettingsFrame(0, settings={0x1A1A: 5, 0xFFFF: 2**32 - 1}),
        GoAwayFrame(0),
    ],
    ids=["unknown", "ALTSVC", "PRIORITY_UPDATE", "empty", "large", "PRIORITY", "GREASE", "GOAWAY"],
)
def test_b081_frames_and_settings_that_nobody_knows_are_ignored(wire, frame):
    wire.send(frame)
    wire.ask(1, "say hello")

    assert wire.over(1) == 0
    assert said(wire.data[1][5:]) == "hello"


def test_b081_an_unknown_frame_within_a_call_is_ignored(wire):
    message = framed(request("say hello"))
    wire.send(wire.head(1), unknown(0x42, 1, b"x"), wire.body(1, message[:9], ends=False))
    wire.send(unknown(0x42, 1, b"x" * 50), wire.body(1, message[9:]))

    assert wire.over(1) == 0


# --- B082 ---

GOOD = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/inference.GRPCInferenceService/ServerLive"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
]


@pytest.mark.parametrize(
    "headers",
    [
        GOOD[1:],
        [GOOD[0], *GOOD[2:]],
        [*GOOD[:2], *GOOD[3:]],
        [*GOOD[:2], (b":path", b""), *GOOD[3:]],
        [*GOOD[:2], (b":path", b"no/slash"), *GOOD[3:]],
        [GOOD[0], *GOOD],
        [GOOD[2], *GOOD],
        [*GOOD, (b":authority", b"late")],
        [(b":status", b"200"), *GOOD],
        [(b":unknown", b"1"), *GOOD],
        [*GOOD, (b"X-Upper", b"1")],
        [*GOOD, (b"connection", b"close")],
        [*GOOD, (b"transfer-encoding", b"chunked")],
        [*GOOD, (b"sp ace", b"1")],
        [*GOOD, (b"", b"1")],
        [*GOOD, (b"new-line", b"a\r\nb: c")],
        [*GOOD, (b"zero", b"\x00")],
        [*GOOD[:4], (b"te", b"gzip")],
    ],
)
def test_b082_a_malformed_request_resets_its_stream_only(wire, headers):
    wire.send(wire.block(1, headers, ends=True))
    wire.over(1)
    assert wire.resets == {1: PROTOCOL_ERROR}

    wire.ask(3, "say hello")
    assert wire.over(3) == 0


def test_b082_a_second_header_block_that_does_not_end_the_call_resets_it(wire):
    wire.send(wire.head(1), wire.head(1))
    wire.over(1)
    assert wire.resets == {1: PROTOCOL_ERROR}


def test_b082_trailers_of_a_client_end_its_call(wire):
    wire.send(wire.head(1), wire.body(1, framed(request("say hello")), ends=False))
    wire.send(wire.block(1, [(b"x-trailer", b"1")], ends=True))

    assert wire.over(1) == 0


def test_b082_even_stream_numbers_end_the_connection(wire):
    wire.send(wire.head(2))
    assert wire.closed() == PROTOCOL_ERROR


# --- B083 and B088 ---


def test_b083_rapid_resets_end_the_connection_and_disturb_nobody(server, connect):
    wire = connect(server)
    for first in range(1, 40_000, 400):
        wire.send(
            *(frame for number in range(first, first + 400, 2) for frame in (wire.head(number), wire.reset(number)))
        )
        assert_well(server.address) if first % 4000 == 1 else None

    assert wire.closed() == CALM
    assert_well(server.address)
    eventually(lambda: not server.connections)


def test_b083_resets_of_calls_that_are_under_way_cancel_their_work(server, connect):
    wire = connect(server)
    for number in range(1, 40, 2):
        wire.ask(number, f"wait {number}")
    eventually(lambda: {f"wait {number}" for number in range(1, 40, 2)} <= set(server.asked))
    wire.send(*(wire.reset(number) for number in range(1, 40, 2)))

    eventually(lambda: {str(number) for number in range(1, 40, 2)} <= set(server.cancelled))
    wire.ask(41, "say hello")
    assert wire.over(41) == 0


def test_b083_a_client_that_gives_up_half_of_its_calls_may_go_on(wire):
    for number in range(1, 2000, 4):
        wire.send(wire.head(number), wire.reset(number))
        wire.ask(number + 2, "say hello")
        assert wire.over(number + 2) == 0

    assert not wire.goaways


def test_b088_streams_that_the_client_makes_the_server_reset_count_too(server, connect):
    wire = connect(server)
    for first in range(1, 8000, 400):
        wire.send(*(wire.block(number, GOOD[1:]) for number in range(first, first + 400, 2)))

    assert wire.closed() == CALM


def test_b088_windows_that_overflow_on_purpose_count_too(server, connect):
    wire = connect(server)
    for first in range(1, 8000, 400):
        calls = range(first, first + 400, 2)
        wire.send(*(frame for call in calls for frame in (wire.head(call), WindowUpdateFrame(call, 2**31 - 1))))

    assert wire.closed() == CALM


# --- B084 ---


@pytest.mark.parametrize(
    "frame",
    [
        PingFrame(0, b"12345678"),
        SettingsFrame(0),
        DataFrame(1, b""),
        WindowUpdateFrame(0, window_increment=1),
        WindowUpdateFrame(1, window_increment=1),
        PriorityFrame(1, depends_on=0, stream_weight=1),
        unknown(0x42, 0, b""),
    ],
    ids=["PING", "SETTINGS", "DATA", "WINDOW_UPDATE", "WINDOW_UPDATE of a call", "PRIORITY", "unknown"],
)
def test_b084_a_flood_of_frames_that_carry_nothing_ends_the_connection(server, connect, frame):
    wire = connect(server)
    wire.send(wire.head(1))
    for _ in range(100):
        wire.send(*[frame] * 200)

    assert wire.closed() == CALM
    assert_well(server.address)


def test_b084_pings_in_proportion_to_calls_are_answered(wire):
    for number in range(1, 1000, 2):
        wire.send(*[PingFrame(0, b"12345678")] * 4)
        wire.ask(number, "say hello")
        assert wire.over(number) == 0

    assert wire.pongs == 2000


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([WindowUpdateFrame(0, window_increment=2**31 - 1)], FLOW_CONTROL_ERROR),
        ([b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"], PROTOCOL_ERROR),
        ([b"\x00\x00\x03\x08\x00\x00\x00\x00\x00\x00\x00\x00"], FRAME_SIZE_ERROR),
        ([WindowUpdateFrame(99, window_increment=1)], PROTOCOL_ERROR),
        ([RstStreamFrame(99)], PROTOCOL_ERROR),
        ([b"\x00\x00\x03\x03\x00\x00\x00\x00\x01\x00\x00\x00"], FRAME_SIZE_ERROR),
        ([DataFrame(99, b"x")], PROTOCOL_ERROR),
        ([b"\x00\x00\x00\x00\x00\x00\x00\x00\x00"], PROTOCOL_ERROR),
        ([b"\x00\x00\x02\x00\x08\x00\x00\x00\x01\x05x"], PROTOCOL_ERROR),
        ([b"\x00\x00\x07\x06\x00\x00\x00\x00\x00" + b"1234567"], FRAME_SIZE_ERROR),
        ([b"\x00\x00\x08\x06\x00\x00\x00\x00\x01" + b"12345678"], PROTOCOL_ERROR),
        ([b"\x00\x00\x05\x04\x00\x00\x00\x00\x00" + b"12345"], PROTOCOL_ERROR),
        ([SettingsFrame(0, settings={4: 2**31})], FLOW_CONTROL_ERROR),
        ([SettingsFrame(0, settings={5: 1})], PROTOCOL_ERROR),
        ([PushPromiseFrame(1, promised_stream_id=2)], PROTOCOL_ERROR),
        ([b"\xff\xff\xff\x04\x00\x00\x00\x00\x00"], FRAME_SIZE_ERROR),
    ],
)
def test_b084_frames_that_are_wrong_end_the_connection(server, connect, frames, code):
    wire = connect(server)
    wire.send(*frames)

    assert wire.closed() in (code, FRAME_SIZE_ERROR, PROTOCOL_ERROR)
    assert wire.goaways[-1][0] == code or code == PROTOCOL_ERROR
    assert_well(server.address)


def test_b084_a_window_of_a_call_that_overflows_resets_the_call(wire):
    wire.send(wire.head(1), WindowUpdateFrame(1, window_increment=2**31 - 1))
    wire.over(1)

    assert wire.resets == {1: FLOW_CONTROL_ERROR}


# --- B085 ---


def test_b085_a_header_block_without_end_ends_the_connection(server, connect):
    wire = connect(server)
    wire.send(HeadersFrame(1, b"\x82"), *[ContinuationFrame(1, b"")] * 100)
    assert wire.closed() == CALM

    wire = connect(server)
    wire.send(HeadersFrame(1, b"\x82"), *[ContinuationFrame(1, b"x" * 16_000)] * 20)
    assert wire.closed() == CALM


@pytest.mark.parametrize("frame", [PingFrame(0, b"12345678"), DataFrame(1, b"x"), ContinuationFrame(3, b"")])
def test_b085_a_header_block_that_is_interrupted_ends_the_connection(server, connect, frame):
    wire = connect(server)
    wire.send(HeadersFrame(1, b"\x82"), frame)

    assert wire.closed() == PROTOCOL_ERROR


def test_b085_a_header_block_may_come_in_several_frames(wire):
    head = wire.head(1)
    first, rest = head.data[:20], head.data[20:]
    frame = ContinuationFrame(1, rest)
    frame.flags.add("END_HEADERS")
    wire.send(HeadersFrame(1, first), frame, wire.body(1, framed(request("say hello"))))

    assert wire.over(1) == 0


def test_b085_padding_and_priorities_of_headers_are_no_part_of_them(wire):
    head = wire.head(1)
    head.flags.add("PADDED")
    head.flags.add("PRIORITY")
    head.pad_length, head.stream_weight = 30, 200
    wire.send(head, wire.body(1, framed(request("say hello"))))

    assert wire.over(1) == 0


@pytest.mark.parametrize(
    "frame",
    [
        b"\x00\x00\x04\x01\x24\x00\x00\x00\x01\x00\x00\x00\x00",
        b"\x00\x00\x01\x01\x04\x00\x00\x00\x00\x82",
        b"\x00\x00\x01\x01\x00\x00\x00\x00\x00\x82",
        b"\x00\x00\x01\x09\x04\x00\x00\x00\x01\x82",
        b"\x00\x00\x00\x01\x0c\x00\x00\x00\x01",
    ],
    ids=["priority cut off", "stream 0", "stream 0, several frames", "nothing continued", "padding cut off"],
)
def test_b085_frames_of_headers_that_are_wrong_end_the_connection(server, connect, frame):
    wire = connect(server)
    wire.send(frame)

    assert wire.closed() == PROTOCOL_ERROR


@pytest.mark.parametrize(
    "block",
    [b"\xff\xff\xff\xff\x7f", b"\x80", b"\xbe", b"\x40\x0a", b"\x3f\xe2\x1f", b"\x00\x81\xff\x00", b"\x82\x3e"],
    ids=["number", "zero", "no entry", "cut off", "table too large", "huffman", "late resize"],
)
def test_b085_a_header_block_that_cannot_be_read_ends_the_connection(server, connect, block):
    wire = connect(server)
    frame = HeadersFrame(1, block)
    frame.flags.add("END_HEADERS")
    wire.send(frame)

    assert wire.closed() == COMPRESSION_ERROR
    assert_well(server.address)


def test_b085_a_small_block_that_stands_for_a_large_list_ends_the_connection(server, connect):
    wire = connect(server)
    big = b"\x40\x01x" + b"\x7f\x81\x1e" + b"v" * 3968
    frame = HeadersFrame(1, big + b"\xbe" * 12_000)
    frame.flags.add("END_HEADERS")
    wire.send(frame)

    assert wire.closed() == CALM
    eventually(lambda: not server.connections)


def test_b085_headers_are_read_right_while_the_table_changes(wire):
    from hpack import Encoder

    encoder = Encoder()
    for number in range(1, 60, 2):
        if number == 21:
            encoder.header_table_size = 128
        if number == 41:
            encoder.header_table_size = 4096
        headers = [*GOOD[:2], (b":path", b"/inference.GRPCInferenceService/ModelInfer"), *GOOD[3:]]
        headers += [(b"x-number", str(number // 6).encode()), (b"x-fix", b"a" * 40)]
        frame = HeadersFrame(number, encoder.encode(headers))
        frame.flags.add("END_HEADERS")
        wire.send(frame, wire.body(number, framed(request("headers"))))
        assert wire.over(number) == 0
        assert f"('x-number', '{number // 6}')" in said(wire.data[number][5:])


# --- B086 ---


def test_b086_a_client_that_takes_nothing_of_a_call_loses_it(serve, connect):
    server = serve(grpc_write_timeout=0.3)
    wire = connect(server, settings={4: 0})
    for number in range(1, 40, 2):
        wire.ask(number, "large 200000")
    for number in range(1, 40, 2):
        wire.over(number)

    assert set(wire.resets.values()) == {8}
    assert_well(server.address)


def test_b086_a_client_that_never_reads_is_cut_off(serve, connect):
    server = serve(grpc_write_timeout=0.3)
    wire = connect(server, settings={4: 2**31 - 1})
    wire.send(WindowUpdateFrame(0, window_increment=2**30))
    for number in range(1, 100, 2):
        wire.ask(number, "large 1000000")

    eventually(lambda: not server.connections)
    assert_well(server.address)


def test_b086_a_stream_goes_no_further_than_its_client_reads(serve, connect):
    server = serve()
    wire = connect(server, settings={4: 100_000})
    wire.ask(1, "many 300", path="/inference.GRPCInferenceService/ModelStreamInfer")
    wire.read(lambda wire: len(wire.data.get(1, b"")) == 65_535)

    assert len(server.asked) < 100
    wire.send(WindowUpdateFrame(0, window_increment=2**30), WindowUpdateFrame(1, window_increment=2**30))
    assert wire.over(1) == 0
    assert len(wire.data[1]) > 6_000_000


def test_b086_answers_side_by_side_all_arrive_once_their_client_reads(server, connect):
    wire = connect(server, settings={4: 100})
    wire.send(wire.head(1, path="/inference.GRPCInferenceService/ModelStreamInfer"))
    wire.send(*(wire.body(1, framed(request("many 5", id=str(number))), ends=number == 9) for number in range(10)))
    wire.read(lambda wire: len(wire.data.get(1, b"")) == 100)
    wire.send(WindowUpdateFrame(0, window_increment=2**30), WindowUpdateFrame(1, window_increment=2**30))

    assert wire.over(1) == 0
    assert len(wire.data[1]) > 50 * 20_000


# --- B087 ---


def test_b087_calls_over_the_limit_are_refused_and_the_others_go_on(serve, connect):
    server = serve(grpc_max_streams=10)
    wire = connect(server)
    for number in range(1, 20, 2):
        wire.send(wire.head(number))
    wire.send(wire.head(21))
    wire.over(21)
    assert wire.resets == {21: REFUSED_STREAM}
    assert wire.settings[3] == 10

    wire.send(wire.body(1, framed(request("say hello"))))
    assert wire.over(1) == 0
    wire.ask(23, "say hello")
    assert wire.over(23) == 0


def test_b087_connections_over_the_limit_are_closed_and_the_others_go_on(serve, connect):
    server = serve(grpc_max_connections_per_peer=3)
    wires = [connect(server) for _ in range(3)]
    for wire in wires:
        wire.ask(1, "say hello")
        assert wire.over(1) == 0
    assert connect(server).read(lambda wire: wire.settings).is_closed
    wires[0].ask(3, "say hello")
    assert wires[0].over(3) == 0

    wires[0].close()
    eventually(lambda: len(server.connections) == 2)
    assert_well(server.address)


def test_b087_there_is_a_limit_for_all_peers_together(serve, connect):
    server = serve(grpc_max_connections=2)
    wires = [connect(server).read(lambda wire: wire.settings) for _ in range(2)]

    assert connect(server).read(lambda wire: wire.settings).is_closed
    assert not any(wire.is_closed for wire in wires)


# --- time ---


def test_a_client_that_is_silent_is_asked_whether_it_is_there(serve, connect):
    server = serve(grpc_keepalive=1)
    wire = connect(server)
    wire.read(lambda wire: wire.pings)
    pong = PingFrame(0, wire.pings[0])
    pong.flags.add("ACK")
    wire.send(pong)
    wire.read(lambda wire: len(wire.pings) > 1)

    assert len(wire.pings) > 1
    wire.read(lambda wire: False)
    assert wire.is_closed


def test_a_connection_that_is_lost_cancels_its_calls(server):
    wire = Wire(server.address)
    wire.ask(1, "wait lost")
    eventually(lambda: "wait lost" in server.asked)
    wire.close()

    eventually(lambda: "lost" in server.cancelled)
