"""B054 to B056 and B072: tensors as raw bytes, and content types that nobody reads."""

from __future__ import annotations

import json
import pickle
import struct

import pytest
from mlcore_protocol.protobuf import inference
from standing import raw

from .asking import GrpcClient, assert_refused, reply_of

PATH = "/v2/models/many/infer"
LENGTH = "Inference-Header-Content-Length"
OCTETS = {"Content-Type": "application/octet-stream"}


def packed(*inputs, rest=b"", **members):
    """Return a body of a JSON head and bytes, and its headers."""
    head = json.dumps({"inputs": list(inputs), **members}).encode()
    return head + rest, {**OCTETS, LENGTH: str(len(head))}


def tensor(size=None, datatype="INT32", shape=(2,), **members):
    """Return the head of a tensor whose elements are behind the JSON."""
    parameters = {} if size is None else {"parameters": {"binary_data_size": size}}
    return {"name": "same", "datatype": datatype, "shape": list(shape), **parameters, **members}


def bytes_of(*texts):
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def test_b055_a_binary_tensor_is_read(served, standing) -> None:
    body, headers = packed(tensor(8), rest=struct.pack("<ii", 1, -2))

    assert reply_of(served.post(PATH, body, headers)).outputs == {"same": [1, -2]}


@pytest.mark.parametrize(
    "length", ["-1", "x", "", "1.0", "+5", "0x10", "1000", str(10**11), "9" * 400, "5, 5", "\u0662"]
)
def test_b054_a_length_of_the_head_that_is_none_is_refused(served, standing, length) -> None:
    body, headers = packed(tensor(8), rest=bytes(8))

    answer = served.post(PATH, body, {**headers, LENGTH: length.encode().decode("latin-1")})

    assert_refused(reply_of(answer), f"{LENGTH}: expected")


def test_b054_a_head_of_no_length_with_json_behind_it_is_refused(served, standing) -> None:
    body, headers = packed(tensor(8), rest=bytes(8))

    assert_refused(reply_of(served.post(PATH, body, {**headers, LENGTH: "0"})), f"{LENGTH}: 0 sends one tensor")


def test_b054_a_length_that_cuts_the_head_is_refused(served, standing) -> None:
    body, headers = packed(tensor(8), rest=bytes(8))

    for length in (1, int(headers[LENGTH]) - 1, int(headers[LENGTH]) + 1, len(body)):
        assert_refused(reply_of(served.post(PATH, body, {**headers, LENGTH: str(length)})), "JSON")


def test_b054_a_length_that_comes_twice_is_refused(served, standing) -> None:
    body, headers = packed(tensor(8), rest=bytes(8))
    twice = f"{headers[LENGTH]}\r\n{LENGTH}: {headers[LENGTH]}"
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"

    answer = raw(served, f"{head}{LENGTH}: {twice}\r\n\r\n".encode() + body)

    assert answer.startswith(b"HTTP/1.1 400 ")


WRONG = {
    "neither": ([tensor()], b"", "inputs[0].data: missing"),
    "negative": ([tensor(-8)], bytes(8), "inputs[0].parameters.binary_data_size: expected 0 to 8"),
    "a text": ([tensor("8")], bytes(8), "inputs[0].parameters.binary_data_size"),
    "a fraction": ([tensor(8.0)], bytes(8), "inputs[0].parameters.binary_data_size"),
    "a boolean": ([tensor(True)], bytes(8), "inputs[0].parameters.binary_data_size"),
    "too many": ([tensor(8), tensor(8, name="b")], bytes(12), "inputs[1].parameters.binary_data_size: expected 0 to 4"),
    "enormous": ([tensor(10**30)], bytes(8), "inputs[0].parameters.binary_data_size"),
    "left over": ([tensor(8)], bytes(9), "9 bytes after its JSON"),
    "both": ([tensor(8, data=[1, 2])], bytes(8), "inputs[0]: has both data and binary_data_size"),
    "another size than the shape": ([tensor(4)], bytes(4), "inputs[0]: the shape [2] of INT32 takes 8 bytes, got 4"),
    "a byte that is no boolean": ([tensor(2, "BOOL")], b"\x01\x02", "inputs[0]: BOOL takes the bytes 0 and 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_b055_bytes_that_do_not_add_up_are_refused(served, standing, name) -> None:
    inputs, rest, told = WRONG[name]

    assert_refused(reply_of(served.post(PATH, *packed(*inputs, rest=rest))), told)


def test_b055_a_size_without_the_header_is_refused(served, standing) -> None:
    reply = reply_of(served.infer("many", tensor(8)))

    assert_refused(reply, "inputs[0].parameters.binary_data_size: binary data needs the header")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/vnd.python+pickle",
        "application/x-pickle",
        "application/x-dill",
        "application/python-pickle",
        "application/x-joblib",
        "application/x-python-serialize",
        "application/cloudpickle",
        "application/x-msgpack",
        "application/yaml",
    ],
)
def test_b056_a_serialiser_of_python_is_no_content_type(served, standing, content_type) -> None:
    answer = served.post(PATH, pickle.dumps(print), {"Content-Type": content_type})

    assert_refused(reply_of(answer), "Content-Type: expected application/json", code="UNIMPLEMENTED")


def test_b056_a_pickle_that_says_it_is_json_is_refused(served, standing) -> None:
    for headers in ({}, OCTETS):
        assert_refused(reply_of(served.post(PATH, pickle.dumps({"inputs": []}), headers)), "JSON")


@pytest.mark.parametrize("word", ["pickle", "application/x-dill", "joblib", "cloudpickle", "__import__('os').abort"])
def test_b056_a_parameter_that_names_a_serialiser_reads_nothing(client, stands, word) -> None:
    # A recorded case has it so: an unknown content type leaves the data as it was written.
    given = {"name": "same", "datatype": "BYTES", "shape": [1], "data": ["cos\nsystem\n(S'exit'\ntR."]}
    given["parameters"] = {"content_type": word}

    assert client.infer("many", given).outputs == {"same": given["data"]}


ELEMENTS = {
    "a length beyond the buffer": (1, struct.pack("<I", 9) + b"ab", "leads beyond"),
    "the largest length": (1, b"\xff\xff\xff\xff" + b"ab", "leads beyond"),
    "a cut length": (2, bytes_of(b"ab") + b"\x01\x00\x00", ""),
    "a tail": (1, bytes_of(b"ab") + b"\x00\x00\x00", "3 bytes are left over"),
    "too few": (3, bytes_of(b"ab", b"c"), ""),
    "too many": (1, bytes_of(b"ab", b"c"), "bytes are left over"),
    "an enormous shape": (2**31 - 1, bytes_of(b"ab"), "take at least"),
    "none": (1, b"", ""),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_b072_lengths_of_bytes_elements_that_do_not_add_up_are_refused(served, standing, name) -> None:
    count, raw_elements, told = ELEMENTS[name]
    body = packed(tensor(len(raw_elements), "BYTES", [count]), rest=raw_elements)

    assert_refused(reply_of(served.post(PATH, *body)), "inputs[0]", told)


@pytest.mark.parametrize("name", ELEMENTS)
def test_b072_the_same_over_grpc(semantic, grpc_client, stands, name) -> None:
    count, raw_elements, told = ELEMENTS[name]

    assert_refused(grpc_client.send(raw_message([("a", count)], [raw_elements])), "inputs[0]", told)


def test_b072_a_length_does_not_lead_into_the_next_tensor(served, grpc_client, standing) -> None:
    first, second = struct.pack("<I", 6) + b"ab", bytes_of(b"cd")
    heads = [tensor(6, "BYTES", [1]), tensor(6, "BYTES", [1], name="next")]

    assert_refused(reply_of(served.post(PATH, *packed(*heads, rest=first + second))), "inputs[0]", "leads beyond")
    assert_refused(grpc_client.send(raw_message([("a", 1), ("b", 1)], [first, second])), "inputs[0]", "leads beyond")


@pytest.fixture(scope="module")
def grpc_client(semantic):
    """Return a client over gRPC that is connected."""
    made = GrpcClient(semantic)
    made.infer("many", {"name": "same", "datatype": "BYTES", "shape": [1], "data": ["connect"]})
    yield made
    made.close()


def raw_message(inputs, contents):
    """Return a message with raw contents, as bytes."""
    message = inference.ModelInferRequest(model_name="batched", raw_input_contents=contents)
    message.inputs = [
        inference.ModelInferRequestInferInputTensor(name=name, datatype="BYTES", shape=[count])
        for name, count in inputs
    ]
    return bytes(message)
