"""Tests that a request is refused with the same words, whatever format it came in."""

import json

import pytest
from mlcore_protocol import InferenceError, Limits, ProtobufFormat, V2Format
from mlcore_protocol.protobuf_parameters import write_parameters
from mlcore_protocol.protobuf_wire import varint, with_length

TENSOR = {"name": "x", "shape": [1], "datatype": "INT32", "data": [5]}


def in_json(tensors, members):
    return json.dumps({"inputs": tensors, **members}).encode()


def in_protobuf(tensors, members):
    body = with_length(3, members.get("id", "").encode()) + write_parameters(4, members.get("parameters", {}))
    for tensor in tensors:
        shape = with_length(3, b"".join(varint(size) for size in tensor["shape"]))
        contents = with_length(5, with_length(2, b"".join(varint(element) for element in tensor["data"])))
        head = with_length(1, tensor["name"].encode()) + with_length(2, tensor["datatype"].encode()) + shape
        body += with_length(5, head + write_parameters(4, tensor.get("parameters", {})) + contents)
    for output in members.get("outputs", []):
        body += with_length(6, with_length(1, output["name"].encode()))
    return body


FORMATS = {V2Format: in_json, ProtobufFormat: in_protobuf}


@pytest.mark.parametrize("wire_format", FORMATS)
def test_what_keeps_to_the_rules_is_read(wire_format):
    request = wire_format().decode(FORMATS[wire_format]([TENSOR], {"id": "a", "outputs": [{"name": "y"}]}))

    assert (request.id, request.inputs[0].data.values.tolist(), request.outputs[0].name) == ("a", [5], "y")


@pytest.mark.parametrize("wire_format", FORMATS)
@pytest.mark.parametrize(
    ("tensors", "members", "message"),
    [
        ([TENSOR], {"id": "a\n"}, "id: expected at most 20 printable characters"),
        ([TENSOR], {"id": "a" * 21}, "id: expected at most 20 printable characters"),
        ([], {}, "inputs: expected 1 to 2 tensors, got 0"),
        ([TENSOR, TENSOR], {}, "inputs: two of them have the same name"),
        ([TENSOR] * 3, {}, "inputs: expected 1 to 2 tensors, got "),
        ([{**TENSOR, "name": ""}], {}, "inputs[0].name: expected 1 to 10 characters without NUL"),
        ([{**TENSOR, "name": "a\0"}], {}, "inputs[0].name: expected 1 to 10 characters without NUL"),
        ([{**TENSOR, "name": "a" * 11}], {}, "inputs[0].name: expected 1 to 10 characters without NUL"),
        ([{**TENSOR, "datatype": "int32"}], {}, "inputs[0].datatype: expected one of BOOL, UINT8, "),
        ([{**TENSOR, "shape": [-1]}], {}, "inputs[0].shape: expected dimensions of 0 and more, got -1"),
        ([{**TENSOR, "shape": [1] * 5}], {}, "inputs[0].shape: expected at most 4 dimensions, got "),
        ([{**TENSOR, "shape": [0, 99]}], {}, "inputs[0].shape: the element count of [0, 99] is over the limit, 9"),
        ([{**TENSOR, "shape": [2**40, 2**40]}], {}, "inputs[0].shape: the element count of [1099511627776, 10995"),
        (
            [{**TENSOR, "parameters": dict.fromkeys("abc", 1)}],
            {},
            "inputs[0].parameters: expected at most 2 parameters",
        ),
        ([TENSOR], {"parameters": dict.fromkeys("abc", 1)}, "parameters: expected at most 2 parameters, got "),
        ([TENSOR], {"parameters": {"binary_data_output": 1}}, "parameters.binary_data_output: expected true or false"),
        ([TENSOR], {"outputs": [{"name": "y"}] * 2}, "outputs: two of them have the same name"),
        ([TENSOR], {"outputs": [{"name": "y"}] * 3}, "outputs: expected at most 2, got "),
        ([TENSOR], {"outputs": [{"name": ""}]}, "outputs[0].name: expected 1 to 10 characters without NUL"),
    ],
)
def test_what_breaks_a_rule_is_refused_in_the_same_words(wire_format, tensors, members, message):
    limits = Limits(
        max_id_length=20, max_tensors=2, max_name_length=10, max_dimensions=4, max_elements=9, max_parameters=2
    )

    with pytest.raises(InferenceError) as raised:
        wire_format(limits).decode(FORMATS[wire_format](tensors, members))

    assert str(raised.value).startswith(message)
