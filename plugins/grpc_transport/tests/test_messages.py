"""gRPC's own framing, headers and protobuf as hostile or careless clients send them: B089 to B099 of our list."""

from __future__ import annotations

import base64
import gzip
import time
import zlib

import grpc
import pytest
from hyperframe.frame import DataFrame, PingFrame, WindowUpdateFrame
from mlcore_protocol.protobuf import inference

from .wire import SERVICE, eventually, framed, infer, request, said

OK, CANCELLED, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND = 0, 1, 3, 4, 5
RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 8, 12, 13, 14
LIMIT = 64 * 2**20
HELLO = framed(request("say hello"))


# --- B089 ---


def test_b089_a_message_that_announces_too_much_is_refused_after_five_bytes(wire):
    wire.send(wire.head(1), wire.body(1, b"\x00\xff\xff\xff\xff", ends=False))

    assert wire.over(1) == RESOURCE_EXHAUSTED
    assert wire.message(1) == (
        f"a message of 4294967295 bytes is larger than {LIMIT} bytes, the setting grpc_max_message_length"
    )


def test_b089_the_limit_is_a_setting_and_holds_to_the_byte(serve, connect):
    server = serve(grpc_max_message_length=1000)
    wire = connect(server)
    for number, size in ((1, 1000), (3, 1001)):
        body = request("say " + "x" * 500)
        body += b"\xfa\x7f" + bytes([0x80 | (size - len(body) - 4) & 0x7F, (size - len(body) - 4) >> 7])
        wire.send(wire.head(number), wire.body(number, framed(body.ljust(size, b"y"))))
        wire.over(number)

    assert (wire.status(1), wire.status(3)) == (OK, RESOURCE_EXHAUSTED)


def test_b089_large_requests_of_one_connection_come_in_turn(serve, connect):
    """Of 20 that each send what they may unasked, the first few may go on; the others when those are done."""
    server = serve(grpc_max_message_length=3 * 2**20)
    wire = connect(server, settings={4: 2**31 - 1})
    wire.send(WindowUpdateFrame(0, window_increment=2**30))
    message = framed(request("say large " + "x" * (3 * 2**20 - 1000)))
    calls = range(1, 40, 2)
    for number in calls:
        wire.send(wire.head(number))
        for at in range(0, 2**21, 16_000):
            wire.send(wire.body(number, message[at : min(at + 16_000, 2**21)], ends=False))
    wire.send(PingFrame(0, b"12345678"))
    wire.read(lambda wire: wire.pongs)
    may_go_on = [number for number in calls if number in wire.windows]
    assert 1 in may_go_on
    assert len(may_go_on) < 10

    for number in calls:
        wire.read(lambda wire, number=number: number in wire.windows)
        for at in range(2**21, len(message), 16_000):
            wire.send(wire.body(number, message[at : at + 16_000], ends=at + 16_000 >= len(message)))
        assert wire.over(number) == OK


def test_b089_many_large_requests_at_once_are_all_answered(serve):
    server = serve(grpc_max_message_length=4 * 2**20)
    text = "say " + "x" * (4 * 2**20 - 1000)
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(server.address, options) as channel:
        calls = [channel.unary_unary(f"{SERVICE}/ModelInfer").future(request(text), timeout=60) for _ in range(32)]
        assert {len(said(call.result())) for call in calls} == {len(text) - 4}


# --- B090 ---


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", INVALID_ARGUMENT),
        (HELLO[:3], INVALID_ARGUMENT),
        (HELLO[:-1], INVALID_ARGUMENT),
        (HELLO + b"x", INVALID_ARGUMENT),
        (HELLO + HELLO, INVALID_ARGUMENT),
        (framed(b""), NOT_FOUND),
    ],
    ids=["none", "part of a prefix", "cut off", "longer", "two", "empty"],
)
def test_b090_a_call_has_one_whole_message(wire, data, status):
    wire.send(wire.head(1), wire.body(1, data))
    assert wire.over(1) in (status, INVALID_ARGUMENT)
    assert wire.message(1)


def test_b090_a_call_whose_headers_end_it_has_no_message(wire):
    wire.send(wire.head(1, ends=True))

    assert wire.over(1) == INVALID_ARGUMENT
    assert "takes one message, got none" in wire.message(1)


@pytest.mark.parametrize("size", [1, 2, 5, 7])
def test_b090_a_message_may_come_in_any_pieces(wire, size):
    wire.send(wire.head(1), *(wire.body(1, HELLO[at : at + size], ends=False) for at in range(0, len(HELLO), size)))
    wire.send(wire.body(1, b""))

    assert wire.over(1) == OK
    assert said(wire.data[1][5:]) == "hello"


def test_b090_padding_is_no_part_of_a_message(wire):
    frame = DataFrame(1, HELLO, pad_length=200)
    frame.flags.add("PADDED")
    wire.send(wire.head(1), frame, wire.body(1, b""))

    assert wire.over(1) == OK


def test_b090_data_behind_the_end_of_a_call_resets_it(wire):
    wire.ask(1, "wait for more")
    wire.send(wire.body(1, b"x"))
    wire.over(1)

    assert wire.resets == {1: 5}


# --- B091 ---


def compressed(wire, packed, encoding, flag=1):
    headers = [] if encoding is None else [(b"grpc-encoding", encoding)]
    wire.send(wire.head(1, headers=headers), wire.body(1, framed(packed, flag)))
    return wire.over(1)


@pytest.mark.parametrize(("pack", "encoding"), [(gzip.compress, b"gzip"), (zlib.compress, b"deflate")])
def test_b091_messages_may_be_compressed(wire, pack, encoding):
    assert compressed(wire, pack(request("say hello")), encoding) == OK
    assert said(wire.data[1][5:]) == "hello"


def test_b091_a_call_that_names_a_compression_need_not_use_it(wire):
    assert compressed(wire, request("say hello"), b"gzip", flag=0) == OK


@pytest.mark.parametrize(
    ("packed", "encoding", "flag", "status"),
    [
        (gzip.compress(request("say hello")), None, 1, INTERNAL),
        (gzip.compress(request("say hello")), b"identity", 1, INTERNAL),
        (request("say hello"), None, 2, INTERNAL),
        (request("say hello"), b"gzip", 1, INVALID_ARGUMENT),
        (gzip.compress(request("say hello"))[:-4], b"gzip", 1, INVALID_ARGUMENT),
        (gzip.compress(request("say hello")) + b"x", b"gzip", 1, INVALID_ARGUMENT),
        (b"", b"gzip", 1, INVALID_ARGUMENT),
    ],
    ids=["no encoding", "identity", "flag 2", "not packed", "cut off", "followed", "empty"],
)
def test_b091_what_is_not_compressed_as_it_says_is_refused(wire, packed, encoding, flag, status):
    assert compressed(wire, packed, encoding, flag) == status


def test_b091_an_unknown_compression_is_refused_with_those_that_are_known(wire):
    assert compressed(wire, request("say hello"), b"snappy") == UNIMPLEMENTED
    assert wire.headers[1]["grpc-accept-encoding"] == "identity, deflate, gzip"
    assert "snappy" in wire.message(1)


def test_b091_the_limit_of_a_message_holds_for_what_is_unpacked(wire):
    assert compressed(wire, gzip.compress(bytes(LIMIT + 1), compresslevel=1), b"gzip") == RESOURCE_EXHAUSTED
    assert "grpc_max_message_length" in wire.message(1)


def test_b091_answers_are_compressed_for_clients_that_compress(wire):
    headers = [(b"grpc-encoding", b"gzip")]
    for number, text in ((1, "say " + "a" * 2000), (3, "say a")):
        wire.send(wire.head(number, headers=headers), wire.body(number, framed(request(text))))
        assert wire.over(number) == OK

    assert wire.headers[1]["grpc-encoding"] == "gzip"
    assert wire.data[1][0] == 1
    assert said(gzip.decompress(bytes(wire.data[1][5:]))) == "a" * 2000
    assert wire.data[3][0] == 0


def test_b091_answers_are_not_compressed_where_a_setting_says_so(serve, connect):
    server = serve(gzip_enabled=False)
    wire = connect(server)
    wire.send(wire.head(1, headers=[(b"grpc-encoding", b"gzip")]), wire.body(1, framed(request("say " + "a" * 2000))))

    assert wire.over(1) == OK
    assert wire.data[1][0] == 0


# --- B092 to B094 ---

MALFORMED = [
    b"\x0a\x20doing",
    b"\x08\x01",
    b"\x2b\x2c",
    b"\x02\x00",
    b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x0a\x02\xff\xfe",
    b"\x0a",
]


@pytest.mark.parametrize("body", MALFORMED)
@pytest.mark.parametrize("method", ["ModelInfer", "ModelMetadata", "RepositoryModelLoad", "ModelReady"])
def test_b092_malformed_messages_are_refused(wire, method, body):
    wire.send(wire.head(1, path=f"{SERVICE}/{method}"), wire.body(1, framed(body)))
    status = wire.over(1)

    assert status in (INVALID_ARGUMENT, NOT_FOUND)
    assert status == INVALID_ARGUMENT or method != "ModelInfer"


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("ModelInfer", b"\x0a\x05doing" + b"\x2a\x00" * 200_000),
        ("ModelInfer", request("say a")[:-3] + b"\x22\x05\x0a\x01k\x12\x00" * 100_000),
        ("ModelInfer", b"\x0a\x05doing\x2a\x82\x80\x3d\x1a\xfe\xff\x3c" + b"\x01" * 999_998),
        ("ModelMetadata", b"\xf8\x01\x00" * 5_000),
        ("ModelMetadata", b"\xf8\x01\x00" * 200_000),
        ("RepositoryModelLoad", b"\x1a\x07\x0a\x01k\x12\x02\x08\x01" * 1_700),
    ],
    ids=["inputs", "parameters", "dimensions", "unknown fields", "many unknown fields", "load parameters"],
)
def test_b093_messages_of_many_small_parts_do_not_hold_up_the_others(server, wire, method, body):
    longest = 0.0

    async def watch():
        import asyncio

        nonlocal longest
        while True:
            began = time.thread_time()  # what the loop's thread works, however busy the machine is
            await asyncio.sleep(0.002)
            longest = max(longest, time.thread_time() - began)

    watching = server.begin(watch())
    wire.send(wire.head(1, path=f"{SERVICE}/{method}"), wire.body(1, framed(body)))
    assert wire.over(1) != OK
    watching.cancel()
    assert longest < 1.0, "a loop that is held up for the seconds that such a message used to cost"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda message: message.raw_input_contents.append(b"12345"), "contents"),
        (lambda message: setattr(message.inputs[0], "datatype", "FP32"), "contents"),
        (lambda message: message.inputs[0].shape.append(2), "shape"),
    ],
)
def test_b094_contents_that_do_not_fit_are_refused(wire, change, told):
    message = inference.ModelInferRequest.parse(request("say a"))
    change(message)
    wire.send(wire.head(1), wire.body(1, framed(bytes(message))))

    assert wire.over(1) == INVALID_ARGUMENT
    assert told in wire.message(1)


# --- B095 ---


@pytest.mark.parametrize("timeout", ["", "1", "S", "1s", "-1S", "1.5S", "123456789S", "1SS", " 1S", "\u00b2S"])
def test_b095_a_timeout_that_is_none_is_refused(wire, timeout):
    wire.send(wire.head(1, headers=[(b"grpc-timeout", timeout.encode())]), wire.body(1, HELLO))
    status = wire.over(1)

    if timeout == " 1S":
        assert wire.resets == {1: 1}  # no header begins with a space
    else:
        assert status == INVALID_ARGUMENT
        assert wire.message(1).startswith("grpc-timeout: expected")


@pytest.mark.parametrize("timeout", [b"99999999H", b"10S", b"10000m", b"10000000u", b"99999999n", b"1M"])
def test_b095_every_unit_of_time_is_known(wire, timeout):
    wire.send(wire.head(1, headers=[(b"grpc-timeout", timeout)]), wire.body(1, HELLO))

    assert wire.over(1) == OK


@pytest.mark.parametrize("timeout", [b"0n", b"1n", b"0S"])
def test_b095_a_call_whose_time_is_over_does_not_reach_the_model(server, wire, timeout):
    text = f"say late {timeout.decode()}"
    wire.send(wire.head(1, headers=[(b"grpc-timeout", timeout)]), wire.body(1, framed(request(text))))

    assert wire.over(1) == DEADLINE_EXCEEDED
    assert text not in server.asked


def test_b095_a_call_whose_time_ends_is_told_so_and_its_work_is_cancelled(server, channel):
    infer_in_time = channel.unary_unary(f"{SERVICE}/ModelInfer")
    with pytest.raises(grpc.RpcError) as error:
        infer_in_time(request("wait time"), timeout=0.2)

    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(lambda: "time" in server.cancelled)


def test_b095_the_time_also_ends_while_the_client_sends(wire):
    wire.send(wire.head(1, headers=[(b"grpc-timeout", b"200m")]), wire.body(1, HELLO[:7], ends=False))

    assert wire.over(1) == DEADLINE_EXCEEDED


def test_b095_the_time_also_ends_for_a_stream(wire):
    head = wire.head(1, path=f"{SERVICE}/ModelStreamInfer", headers=[(b"grpc-timeout", b"200m")])
    wire.send(head)

    assert wire.over(1) == DEADLINE_EXCEEDED


# --- B096 ---


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ((b"x-text", b"caf\xc3\xa9"), "x-text: expected ASCII"),
        ((b"x-text", b"\xff"), "x-text: expected ASCII"),
        ((b"x-thing-bin", b"!!!!"), "x-thing-bin: expected base64"),
    ],
)
def test_b096_metadata_that_is_wrong_ends_its_call_only(wire, header, told):
    wire.send(wire.head(1, headers=[header]), wire.body(1, HELLO))
    assert wire.over(1) == INVALID_ARGUMENT
    assert wire.message(1).startswith(told)

    wire.ask(3, "say hello")
    assert wire.over(3) == OK


def test_b096_too_much_metadata_ends_its_call_only(wire):
    many = [(b"k%d" % number, b"v") for number in range(10_000)]
    head = wire.head(1, headers=many)
    block, rest = head.data[:16_000], head.data[16_000:]
    head.data = block
    head.flags.discard("END_HEADERS")
    from hyperframe.frame import ContinuationFrame

    more = [ContinuationFrame(1, rest[at : at + 16_000]) for at in range(0, len(rest), 16_000)]
    more[-1].flags.add("END_HEADERS")
    wire.send(head, *more)
    assert wire.over(1) == RESOURCE_EXHAUSTED
    assert "grpc_max_metadata_bytes" in wire.message(1)

    wire.ask(3, "say hello")
    assert wire.over(3) == OK


def test_b096_metadata_reaches_the_model_and_comes_back(channel):
    answer, call = channel.unary_unary(f"{SERVICE}/ModelInfer").with_call(
        request("headers"), metadata=[("x-in", "1"), ("x-thing-bin", b"\x00\xff"), ("x-in", "2")], timeout=30
    )

    text = said(answer)
    assert "('x-in', '" in text
    assert base64.b64encode(b"\x00\xff").decode().rstrip("=") in text
    assert "('grpc-" not in text
    assert "('content-type" not in text
    for metadata in (dict(call.initial_metadata()), dict(call.trailing_metadata())):
        assert metadata["x-out"] == "yes"
        assert "bad" not in metadata
        assert "grpc-status" not in metadata


def test_b096_headers_of_a_stream_come_back_after_its_answers(channel):
    call = channel.stream_stream(f"{SERVICE}/ModelStreamInfer")(iter([request("headers")]), timeout=30)

    assert len(list(call)) == 1
    metadata = dict(call.trailing_metadata())
    assert metadata["x-out"] == "yes"
    assert "bad" not in metadata


# --- B097 ---


@pytest.mark.parametrize(
    ("head", "http_status", "status"),
    [
        ({"path": "/nope.Service/Method"}, "200", UNIMPLEMENTED),
        ({"path": f"{SERVICE}/Nope"}, "200", UNIMPLEMENTED),
        ({"path": "/"}, "200", UNIMPLEMENTED),
        ({"content_type": "application/json"}, "415", INVALID_ARGUMENT),
        ({"content_type": "application/grpc+json"}, "415", INVALID_ARGUMENT),
        ({"content_type": "application/grpc-web"}, "415", INVALID_ARGUMENT),
        ({"without": ("content-type",)}, "415", INVALID_ARGUMENT),
        ({"without": ("te",)}, "400", INVALID_ARGUMENT),
        ({"headers": []}, "200", OK),
        ({"content_type": "application/grpc+proto"}, "200", OK),
        ({"content_type": "application/grpc;charset=utf-8"}, "200", OK),
    ],
)
def test_b097_what_is_not_served_is_told_and_the_connection_stays(wire, head, http_status, status):
    wire.send(wire.head(1, **head), wire.body(1, HELLO))
    assert (wire.over(1), wire.headers[1][":status"]) == (status, http_status)
    assert status == OK or wire.message(1)

    wire.ask(3, "say hello")
    assert wire.over(3) == OK


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"DELETE"])
def test_b097_only_post_is_a_call(wire, method):
    block = [(b":method", method), (b":scheme", b"http"), (b":path", f"{SERVICE}/ServerLive".encode())]
    wire.send(wire.block(1, block, ends=True))

    assert wire.over(1) == UNIMPLEMENTED
    assert wire.headers[1][":status"] == "405"
    assert wire.headers[1]["allow"] == "POST"


# --- B099 ---


@pytest.mark.parametrize(
    ("what", "status", "message"),
    [
        ("wrong", "INVALID_ARGUMENT", "the input is wrong"),
        ("text", "INVALID_ARGUMENT", "na\u00efve\n100 % \U0001f600"),
        ("half a character", "INVALID_ARGUMENT", "?"),
        ("teapot", "INVALID_ARGUMENT", "short and stout"),
        ("unprocessable", "FAILED_PRECONDITION", "no"),
        ("gateway", "INTERNAL", "no"),
        ("overloaded", "UNAVAILABLE", "come again"),
    ],
)
def test_b099_the_text_of_an_error_arrives_as_it_is(channel, what, status, message):
    with pytest.raises(grpc.RpcError) as error:
        infer(channel, f"fail {what}")

    assert (error.value.code().name, error.value.details()) == (status, message)


def test_b099_a_long_text_is_cut(channel):
    with pytest.raises(grpc.RpcError) as error:
        infer(channel, "fail long")

    assert 300 < len(error.value.details()) < 2000
    assert error.value.details().endswith("...")


def test_b099_an_error_that_nobody_foresaw_is_told_by_an_id_only(channel, caplog):
    with pytest.raises(grpc.RpcError) as error:
        infer(channel, "fail unforeseen")

    assert error.value.code() is grpc.StatusCode.INTERNAL
    assert "error id" in error.value.details()
    assert "secret" not in error.value.details()


def test_b099_a_client_is_told_when_to_come_again(channel):
    with pytest.raises(grpc.RpcError) as error:
        infer(channel, "fail overloaded")

    assert dict(error.value.trailing_metadata())["grpc-retry-pushback-ms"] == "2500"
