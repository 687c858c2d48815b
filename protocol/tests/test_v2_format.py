"""Tests of the V2 infer body as a whole, both ways."""

import json
import logging
import math
import pickle

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlcore_protocol import (
    Datatype,
    InferenceError,
    InferenceRequest,
    InferenceResponse,
    Limits,
    MetadataTensor,
    Parameters,
    RequestOutput,
    ResponseOutput,
    V2Format,
)
from mlcore_protocol.datatypes import NUMPY_DTYPES
from mlcore_protocol.errors import InternalError

TENSOR = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
NO_REQUEST = InferenceRequest(inputs=[])


def body(tensors=(TENSOR,), **members):
    return json.dumps({"inputs": list(tensors), **members}).encode()


def tensor(**members):
    return body([{**TENSOR, **members}])


def decode(text, **limits):
    return V2Format(Limits(**limits)).decode(text)


def refusal(text, *arguments, **limits):
    with pytest.raises(InferenceError) as raised:
        V2Format(Limits(**limits)).decode(text, *arguments)
    return str(raised.value)


def binary_tensor(raw, **members):
    return {"name": "x", "datatype": "FP32", "parameters": {"binary_data_size": len(raw)}, **members}


def binary_body(tensors, *raws, **members):
    """Return a body and the length of its JSON."""
    head = body(tensors, **members)
    return b"".join([head, *raws]), len(head)


def response(*outputs, **members):
    return InferenceResponse(model_name="m", outputs=list(outputs), **members)


def output(values, datatype="FP32", name="y", **members):
    return ResponseOutput(name=name, shape=list(np.shape(values)), datatype=datatype, data=values, **members)


def plain(encoded):
    """The response's JSON, where it is all of it."""
    (text,) = encoded.buffers
    return json.loads(text)


# Requests in JSON


def test_a_request_has_what_the_client_wrote():
    request = decode(
        body(
            [
                TENSOR,
                {
                    "name": "s",
                    "shape": [2],
                    "datatype": "BYTES",
                    "parameters": {"content_type": "str"},
                    "data": ["a", "b"],
                },
            ],
            id="a-1",
            parameters={"text": "t", "whole": 3, "part": 0.5, "yes": True},
            outputs=[{"name": "y"}, {"name": "z", "parameters": {"classification": 2}}],
        )
    )

    assert request.id == "a-1"
    assert request.parameters == {"text": "t", "whole": 3, "part": 0.5, "yes": True}
    assert [each.name for each in request.inputs] == ["x", "s"]
    assert request.inputs[0].datatype is Datatype.FP32
    assert np.array_equal(request.inputs[0].data.values, np.array([[1, 2, 3]], np.float32))
    assert request.inputs[1].parameters.content_type == "str"
    assert request.inputs[1].data.values == ["a", "b"]
    assert [each.name for each in request.outputs] == ["y", "z"]
    assert request.outputs[1].parameters.classification == 2


def test_absent_and_empty_members_are_none():
    request = decode(body([{**TENSOR, "parameters": {}}], parameters={}, outputs=[]))

    assert (request.id, request.parameters, request.outputs, request.inputs[0].parameters) == (None, None, None, None)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_body_may_be_any_buffer(kind):
    assert decode(kind(body())).inputs[0].data == [1, 2, 3]


def test_a_request_survives_the_way_between_processes():
    request = decode(body(id="a", parameters={"p": 1}))

    again = pickle.loads(pickle.dumps(request))

    assert again == request
    assert np.array_equal(again.inputs[0].data.values, request.inputs[0].data.values)


def test_parameters_of_null_are_absent():
    assert decode(body(parameters={"a": None, "b": 1})).parameters == {"b": 1}


def test_headers_are_not_the_clients_to_say():
    request = decode(body([{**TENSOR, "parameters": {"headers": {"a": "b"}}}], parameters={"headers": "x", "p": 1}))

    assert request.parameters == {"p": 1}
    assert request.inputs[0].parameters is None


def test_a_parameter_named_as_an_attribute_is_only_a_parameter():
    parameters = decode(body(parameters={"__class__": "x", "model_dump": 1})).parameters

    assert type(parameters).__name__ == "Parameters"
    assert parameters.model_dump() == {"__class__": "x", "model_dump": 1}


def test_a_name_of_unusual_characters_is_a_name():
    assert decode(tensor(name="../größe \u202e/")).inputs[0].name == "../größe \u202e/"


def test_an_id_of_256_printable_characters_is_an_id():
    assert decode(body(id="é" * 256)).id == "é" * 256


def test_unknown_members_are_ignored():
    request = decode(body([{**TENSOR, "z": {"a": []}}], z=[1]))

    assert request.inputs[0].data == [1, 2, 3]


def test_scalars_and_empty_tensors_are_tensors():
    assert decode(tensor(shape=[], data=[5])).inputs[0].data.values.shape == ()
    assert decode(tensor(shape=[0, 3], data=[])).inputs[0].data.values.shape == (0, 3)
    assert decode(tensor(shape=[0, 2**31 - 1], data=[])).inputs[0].data.values.shape == (0, 2**31 - 1)


# Requests in JSON that are wrong


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (body(id="a\r\nb"), "id: expected at most 256 printable characters"),
        (body(id="\x1b[31m"), "id: expected at most 256 printable characters"),
        (body(id="\0"), "id: expected at most 256 printable characters"),
        (body(id="a" * 257), "id: expected at most 256 printable characters"),
        (body([]), "inputs: expected 1 to 256 tensors, got 0"),
        (body([TENSOR] * 257), "inputs: expected 1 to 256 tensors, got 257"),
        (body([TENSOR] * 2), "inputs: two of them have the same name"),
        (tensor(name=""), "inputs[0].name: expected 1 to 1024 characters without NUL"),
        (tensor(name="x" * 1025), "inputs[0].name: expected 1 to 1024 characters without NUL"),
        (tensor(name="a\0"), "inputs[0].name: expected 1 to 1024 characters without NUL"),
        (tensor(datatype="fp32"), "inputs[0].datatype: expected one of BOOL, UINT8, "),
        (tensor(datatype="FP128"), "inputs[0].datatype: expected one of BOOL, UINT8, "),
        (tensor(datatype=""), "inputs[0].datatype: expected one of BOOL, UINT8, "),
        (tensor(shape=[1] * 33), "inputs[0].shape: expected at most 32 dimensions, got 33"),
        (tensor(shape=[1] * 1000), "inputs[0].shape: expected at most 32 dimensions, got 1000"),
        (tensor(shape=[-1, 3]), "inputs[0].shape: expected dimensions of 0 and more, got -1"),
        (tensor(shape=[-1, -3]), "inputs[0].shape: expected dimensions of 0 and more, got -1"),
        (tensor(shape=[0, -3]), "inputs[0].shape: expected dimensions of 0 and more, got -3"),
        (
            tensor(shape=[2**31, 2**31]),
            "inputs[0].shape: the element count of [2147483648, 2147483648] is over the limit",
        ),
        (tensor(shape=[2**32, 2**32]), "inputs[0].shape: the element count of "),
        (tensor(shape=[2**4, 2**60 + 2]), "inputs[0].shape: the element count of "),
        (tensor(shape=[0, 2**62]), "inputs[0].shape: the element count of "),
        (tensor(shape=[0, 2**31 - 1, 2**31 - 1]), "inputs[0].shape: the element count of "),
        (tensor(shape=[10**4000, -(10**4000)]), "inputs[0].shape: expected dimensions of 0 and more, got -10000"),
        (tensor(shape=[10**4000]), "inputs[0].shape: the element count of [10000"),
        (tensor(data=[1, 2]), "inputs[0].data: the shape [1, 3] takes 3 elements, got 2"),
        (tensor(data=["1", "2", "3"]), "inputs[0].data[0]: expected a number for FP32, got '1'"),
        (tensor(data=None), "inputs[0].data: expected the elements, got null"),
        (
            body([{"name": "x", "shape": [1], "datatype": "FP32"}]),
            "inputs[0].data: missing; send the elements, or binary_data_size and binary data",
        ),
        (
            tensor(parameters={"a": {}}),
            "inputs[0].parameters.a: expected a string, a number or a boolean, got an object",
        ),
        (
            body(parameters={"a" * 100: []}),
            f"parameters.{'a' * 64}: expected a string, a number or a boolean, got an array",
        ),
        (body(parameters={str(n): n for n in range(65)}), "parameters: expected at most 64 parameters, got 65"),
        (
            tensor(parameters={str(n): n for n in range(65)}),
            "inputs[0].parameters: expected at most 64 parameters, got 65",
        ),
        (
            body(parameters={"binary_data_output": "yes"}),
            "parameters.binary_data_output: expected true or false, got 'yes'",
        ),
        (
            body(outputs=[{"name": "y", "parameters": {"binary_data": 1}}]),
            "outputs[0].parameters.binary_data: expected true or false, got 1",
        ),
        (
            body(outputs=[{"name": "y"}, {"name": "z", "parameters": {"a": []}}]),
            "outputs[1].parameters.a: expected a string, a number or a boolean, got an array",
        ),
        (body(outputs=[{"name": "y"}] * 2), "outputs: two of them have the same name"),
        (body(outputs=[{"name": str(n)} for n in range(257)]), "outputs: expected at most 256, got 257"),
        (body(outputs=[{"name": ""}]), "outputs[0].name: expected 1 to 1024 characters without NUL"),
        (
            tensor(parameters={"binary_data_size": 12}),
            "inputs[0].parameters.binary_data_size: binary data needs the header Inference-Header-Content-Length",
        ),
        (body([TENSOR, {**TENSOR, "name": "z", "shape": [-1]}]), "inputs[1].shape: expected dimensions of 0 and more"),
        (b"{", "the body is not valid JSON: "),
        (b"[1, 2]", "the body: expected object, got array"),
        (body(z="\ud800")[:-3] + b'\xff"}', "the body is not valid JSON: "),
        (body()[:-1] + b', "id": "a", "id": "a"}', "the body: the key 'id' stands twice in one object"),
    ],
)
def test_a_wrong_request_is_refused_with_the_field_in_few_words(text, message):
    refused = refusal(text)

    assert refused.startswith(message)
    assert len(refused) < 250


@pytest.mark.parametrize(
    "text",
    [
        tensor(data="@"),
        tensor(shape="@"),
        tensor(datatype="@"),
        tensor(z="@"),
        body(parameters={"a": "@"}),
        body(parameters="@"),
        body(id="@"),
        body(outputs="@"),
        body(z="@"),
        b'"@"',
    ],
)
@pytest.mark.parametrize("depth", [65, 70, 1_000, 100_000])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
def test_nesting_that_is_too_deep_is_called_that_wherever_it_is(text, depth, brackets):
    opening, closing = (bracket.encode() * depth for bracket in brackets)

    refused = refusal(text.replace(b'"@"', opening + b"1" + closing))

    assert refused == "the body: its nesting depth is over the limit, 64"


def test_a_request_of_the_most_dimensions_is_not_too_deep():
    nested = "[" * 32 + "5" + "]" * 32

    assert (
        decode(body([{**TENSOR, "shape": [1] * 32}]).replace(b"[1, 2, 3]", nested.encode())).inputs[0].data.values.size
        == 1
    )


def test_limits_are_the_formats_own():
    assert refusal(body(), max_dimensions=1) == "inputs[0].shape: expected at most 1 dimensions, got 2"
    assert refusal(tensor(datatype="BYTES", data=["a", "b", "cd"]), max_bytes_element=1).startswith(
        "inputs[0].data[2]: "
    )


def test_257_inputs_are_refused_and_256_are_not():
    tensors = [{**TENSOR, "name": str(number)} for number in range(257)]

    assert len(decode(body(tensors[:256])).inputs) == 256
    assert refusal(body(tensors)) == "inputs: expected 1 to 256 tensors, got 257"


def test_the_debug_log_of_a_right_request_is_empty(caplog):
    with caplog.at_level(logging.DEBUG):
        decode(body(id="a", parameters={"a:b": "c:d"}))

    assert caplog.messages == []


# Requests with binary tensors


def test_binary_tensors_follow_in_their_order():
    first, second = np.array([1.5, 2.5], "<f4").tobytes(), b"\3\0\0\0abc"
    text, head_length = binary_body(
        [
            binary_tensor(first, name="a", shape=[2]),
            {**TENSOR, "name": "b"},
            binary_tensor(second, name="c", shape=[1], datatype="BYTES"),
        ],
        first,
        second,
    )

    request = V2Format().decode(text, head_length)

    assert [each.name for each in request.inputs] == ["a", "b", "c"]
    assert request.inputs[0].data.values.tolist() == [1.5, 2.5]
    assert request.inputs[1].data.values.tolist() == [[1, 2, 3]]
    assert request.inputs[2].data.values == [b"abc"]


def test_the_size_is_no_parameter_that_a_model_sees():
    text, head_length = binary_body([binary_tensor(b"\1", shape=[1], datatype="INT8")], b"\1")

    assert V2Format().decode(text, head_length).inputs[0].parameters is None


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_binary_tensor_is_a_view_where_it_is_aligned_and_aligned_in_any_case(kind):
    raw = np.arange(64, dtype="<f8").tobytes()
    views = 0

    for padding in range(8):
        text, head_length = binary_body([binary_tensor(raw, shape=[64], datatype="FP64")], raw, z="z" * padding)
        received = kind(text)
        values = V2Format().decode(received, head_length).inputs[0].data.values
        views += np.shares_memory(values, np.frombuffer(received, np.uint8))
        assert values.flags.aligned
        assert values.tolist() == list(range(64))

    assert views == 1


def test_the_whole_body_may_be_json_in_spite_of_the_header():
    assert V2Format().decode(body(), len(body())).inputs[0].data == [1, 2, 3]


def test_an_empty_binary_tensor_is_a_tensor():
    text, head_length = binary_body([binary_tensor(b"", shape=[0, 3])])

    assert V2Format().decode(text, head_length).inputs[0].data.values.shape == (0, 3)


RAW = bytes(8)


@pytest.mark.parametrize(
    ("tensors", "raw", "message"),
    [
        (
            [binary_tensor(RAW, shape=[2], data=[1, 2])],
            RAW,
            "inputs[0]: has both data and binary_data_size; send one of them",
        ),
        (
            [{"name": "x", "shape": [2], "datatype": "FP32"}],
            RAW,
            "inputs[0].data: missing; send the elements, or binary_data_size and binary data",
        ),
        (
            [binary_tensor(RAW, shape=[2])],
            RAW + b"\0",
            "the body has 9 bytes after its JSON, the inputs' binary_data_size",
        ),
        ([TENSOR], RAW, "the body has 8 bytes after its JSON, the inputs' binary_data_size account for 0"),
        ([binary_tensor(RAW, shape=[3])], RAW, "inputs[0]: the shape [3] of FP32 takes 12 bytes, got 8"),
        (
            [binary_tensor(RAW, shape=[2]), binary_tensor(RAW, shape=[2], name="z")],
            RAW,
            "inputs[1].parameters.binary_data_size: expected 0 to 0, the bytes that are left, got 8",
        ),
        *(
            (
                [binary_tensor(RAW, shape=[2], parameters={"binary_data_size": size})],
                RAW,
                f"inputs[0].parameters.binary_data_size: expected 0 to 8, the bytes that are left, got {shown}",
            )
            for size, shown in [
                (-1, "-1"),
                (9, "9"),
                (2**70, str(2**70)),
                (8.0, "8.0"),
                (True, "True"),
                ("8", "'8'"),
                ("8" * 999, "'8"),
            ]
        ),
        (
            [
                binary_tensor(RAW, shape=[1], datatype="BYTES"),
                binary_tensor(b"", shape=[1], datatype="BYTES", name="z"),
            ],
            RAW,
            "inputs[0]: 4 bytes are left over after 1 BYTES elements",
        ),
        (
            [
                binary_tensor(b"\5\0\0\0a", shape=[1], datatype="BYTES"),
                binary_tensor(b"bcde", shape=[1], datatype="BYTES", name="z"),
            ],
            b"\5\0\0\0abcde",
            "inputs[0]: the length of BYTES element 0 leads beyond the tensor's 5 bytes",
        ),
    ],
)
def test_binary_data_that_does_not_add_up_is_refused_with_the_tensor(tensors, raw, message):
    text, head_length = binary_body(tensors, raw)

    refused = refusal(text, head_length)

    assert refused.startswith(message)
    assert len(refused) < 250


@pytest.mark.parametrize("head_length", [-1, 10**11, len(body()) + 1])
def test_a_head_that_is_not_within_the_body_is_refused(head_length):
    assert refusal(body(), head_length) == (
        f"Inference-Header-Content-Length: expected 0 to {len(body())}, the length of the body, got {head_length}"
    )


def test_a_head_that_ends_within_the_json_is_refused():
    assert refusal(body(), len(body()) - 1).startswith("the body is not valid JSON: ")


def test_a_body_without_a_head_is_the_one_declared_input():
    declared = [MetadataTensor(name="x", datatype="FP32", shape=[-1, 2])]

    request = V2Format().decode(np.arange(4, dtype="<f4").tobytes(), 0, declared)

    assert request.inputs[0].name == "x"
    assert request.inputs[0].data.values.tolist() == [[0, 1], [2, 3]]
    assert V2Format().encode(response(output(np.ones(1, np.float32))), request).head_length is not None


@pytest.mark.parametrize("declared", [[], [MetadataTensor(name="x"), MetadataTensor(name="z")]])
def test_a_body_without_a_head_is_refused_unless_the_model_declares_one_input(declared):
    assert refusal(RAW, 0, declared).endswith(f"this one declares {len(declared)}")


def test_json_sent_as_a_body_without_a_head_is_refused():
    declared = [MetadataTensor(name="x", datatype="FP64", shape=[-1, 100])]

    assert refusal(body(), 0, declared).startswith("input 'x': the shape [0, 100] of FP64 takes 0 bytes")


# Responses


def test_a_response_has_what_the_model_answered():
    encoded = V2Format().encode(
        response(
            output(np.array([[1.5, 2.5]], np.float32), parameters={"content_type": "np"}),
            output(["a"], "BYTES", name="s"),
            model_version="v1",
            id="a-1",
            parameters={"p": 1},
        ),
        NO_REQUEST,
    )

    assert (encoded.media_type, encoded.head_length) == ("application/json", None)
    assert plain(encoded) == {
        "model_name": "m",
        "model_version": "v1",
        "id": "a-1",
        "parameters": {"p": 1},
        "outputs": [
            {
                "name": "y",
                "shape": [1, 2],
                "datatype": "FP32",
                "parameters": {"content_type": "np"},
                "data": [1.5, 2.5],
            },
            {"name": "s", "shape": [1], "datatype": "BYTES", "data": ["a"]},
        ],
    }


def test_absent_members_are_left_out_of_a_response():
    assert plain(V2Format().encode(response(), NO_REQUEST)) == {"model_name": "m", "outputs": []}


def test_numpy_scalars_may_be_parameters():
    encoded = V2Format().encode(response(parameters={"p": np.float64(0.5)}), NO_REQUEST)

    assert plain(encoded)["parameters"] == {"p": 0.5}


def wanting(default=None, **flags):
    outputs = [
        RequestOutput(name=name, parameters=None if flag is None else {"binary_data": flag})
        for name, flag in flags.items()
    ]
    return InferenceRequest(
        inputs=[], outputs=outputs, parameters=None if default is None else {"binary_data_output": default}
    )


@pytest.mark.parametrize(
    ("request_", "binary"),
    [
        (wanting(), []),
        (wanting(default=False), []),
        (wanting(default=True), ["y", "z"]),
        (wanting(y=True), ["y"]),
        (wanting(y=True, z=None), ["y"]),
        (wanting(y=False, z=True), ["z"]),
        (wanting(default=True, y=False), ["z"]),
        (wanting(default=True, y=False, z=None), ["z"]),
        (wanting(default=False, z=True), ["z"]),
        (wanting(default=True, y=False, z=False), []),
    ],
)
def test_an_output_is_binary_where_it_is_asked_for_so_or_else_by_default(request_, binary):
    y, z = np.array([1.5], np.float32), np.array([2, 3], np.int16)

    encoded = V2Format().encode(response(output(y), output(z, "INT16", name="z", parameters={"p": 1})), request_)

    text, *raws = (bytes(part) for part in encoded.buffers)
    outputs = json.loads(text)["outputs"]
    assert [each["name"] for each in outputs if "binary_data_size" in each.get("parameters", {})] == binary
    assert [each["name"] for each in outputs if "data" not in each] == binary
    assert raws == [{"y": y, "z": z}[name].tobytes() for name in binary]
    assert [each["parameters"]["binary_data_size"] for each in outputs if each["name"] in binary] == [*map(len, raws)]
    assert outputs[1]["parameters"]["p"] == 1
    assert encoded.head_length == (len(text) if binary else None)
    assert encoded.media_type == ("application/octet-stream" if binary else "application/json")


def test_a_binary_output_is_not_copied():
    array = np.ones((100, 100), np.float32)

    encoded = V2Format().encode(response(output(array)), wanting(default=True))

    assert np.shares_memory(np.frombuffer(encoded.buffers[1], np.uint8), array)


@pytest.mark.parametrize(
    "answer",
    [
        response(parameters={"p": object()}),
        response(parameters={1: 2}),
        response(id="\ud800"),
        response(output(["\ud800"], "BYTES")),
    ],
)
def test_a_response_without_a_json_form_is_the_models_fault(answer):
    with pytest.raises(InternalError, match="the model's response has no JSON form: "):
        V2Format().encode(answer, NO_REQUEST)


# Both ways

ELEMENTS = {
    **{
        datatype: st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        for datatype, dtype in NUMPY_DTYPES.items()
        if dtype.kind in "iu"
    },
    Datatype.BOOL: st.booleans(),
    Datatype.FP16: st.floats(width=16, allow_infinity=False),
    Datatype.BF16: st.integers(0, 2**16 - 1)
    .map(lambda bits: float(np.array([bits], np.uint16).view(ml_dtypes.bfloat16)[0]))
    .filter(lambda number: not math.isinf(number)),
    Datatype.FP32: st.floats(width=32, allow_infinity=False),
    Datatype.FP64: st.floats(allow_infinity=False),
    Datatype.BYTES: st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
}


@st.composite
def tensors(draw):
    datatype = draw(st.sampled_from(Datatype))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    count = math.prod(shape)
    elements = draw(st.lists(ELEMENTS[datatype], min_size=count, max_size=count))
    if datatype is Datatype.BYTES:
        return datatype, shape, elements
    return datatype, shape, np.array(elements, NUMPY_DTYPES[datatype]).reshape(shape)


def sent_back(encoded):
    """Make a request of a response: its outputs are tensors as inputs are."""
    text, *raws = (bytes(part) for part in encoded.buffers)
    answer = json.loads(text)
    head = json.dumps({"inputs": answer["outputs"]}).encode()
    return V2Format().decode(b"".join([head, *raws]), len(head) if raws else None).inputs


@settings(max_examples=300, deadline=None)
@given(st.lists(tensors(), min_size=1, max_size=3), st.booleans())
def test_what_is_written_is_read_back_the_same(each, is_binary):
    outputs = [
        ResponseOutput(name=str(number), shape=shape, datatype=datatype, data=values)
        for number, (datatype, shape, values) in enumerate(each)
    ]

    inputs = sent_back(V2Format().encode(response(*outputs), wanting(default=is_binary)))

    for read, (datatype, shape, values) in zip(inputs, each, strict=True):
        assert (read.datatype, read.shape) == (datatype, shape)
        if datatype is Datatype.BYTES:
            assert [text if isinstance(text, str) else text.decode() for text in read.data.values] == values
        else:
            assert (read.data.values.dtype, read.data.values.shape) == (values.dtype, values.shape)
            assert np.array_equal(read.data.values, values, equal_nan=values.dtype.kind in "fV")


GOOD = body(
    [
        {**TENSOR, "parameters": {"content_type": "np"}},
        {"name": "s", "shape": [2, 1], "datatype": "BYTES", "data": [["é"], ["b"]]},
        {"name": "b", "shape": [2], "datatype": "INT16", "parameters": {"binary_data_size": 4}},
    ],
    id="a-1",
    parameters={"p": 1},
    outputs=[{"name": "y", "parameters": {"binary_data": True}}],
)
PIECES = [
    b'"',
    b"\\",
    b"[",
    b"]",
    b"{",
    b"}",
    b":",
    b",",
    b"\0",
    b"\xff",
    b"1e999",
    b"-",
    b"null",
    b"true",
    b'"data"',
    b"\\u0000",
]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 8), st.sampled_from(PIECES) | st.binary(max_size=4)),
        max_size=4,
    ),
    st.none() | st.integers(-1, len(GOOD) + 8),
    st.binary(max_size=8),
)
@example([], len(GOOD), bytes(4))
@example([(len(GOOD), 0, b" " * 5_000)], None, b"")
def test_a_body_broken_anyhow_is_read_or_refused(edits, head_length, tail):
    text = GOOD
    for position, length, piece in edits:
        text = text[:position] + piece + text[position + length :]
    text += tail

    try:
        request = V2Format().decode(text, head_length, [MetadataTensor(name="x", datatype="INT8", shape=[-1])])
    except InferenceError:
        return
    for each in request.inputs:
        assert np.size(each.data.values) == math.prod(each.shape)


@settings(max_examples=200, deadline=None)
@given(st.binary(), st.none() | st.integers(-1, 40))
def test_any_bytes_are_read_or_refused(text, head_length):
    try:
        request = V2Format().decode(text, head_length)
    except InferenceError:
        return
    assert request.inputs


def test_optional_inputs_do_not_stand_in_the_way_of_a_body_that_is_one_tensor() -> None:
    declared = [
        MetadataTensor(name="text", datatype="BYTES", shape=[-1]),
        MetadataTensor(name="other", datatype="BYTES", shape=[-1], parameters=Parameters(optional=True)),
    ]

    request = V2Format().decode(b"hello", 0, declared)

    assert [(tensor.name, tensor.data.values) for tensor in request.inputs] == [("text", [b"hello"])]
