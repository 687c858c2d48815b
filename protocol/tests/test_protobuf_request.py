"""Tests of requests in protobuf: where elements come from, what is refused, and with which words."""

import struct
import tracemalloc

import numpy as np
import pytest
from mlcore_protocol import Datatype, InferenceError, Limits
from mlcore_protocol.protobuf import inference
from mlcore_protocol.protobuf_request import ProtobufRequestReader
from mlcore_protocol.protobuf_wire import varint, with_length


def field(number, kind, content):
    return varint(number << 3 | kind) + content


def tensor(contents=None, name=b"x", datatype=b"FP32", shape=(3,), parameters=()):
    dimensions = b"".join(varint(size) for size in shape)
    message = with_length(1, name) + with_length(2, datatype) + (with_length(3, dimensions) if shape else b"")
    message += b"".join(parameters)
    return with_length(5, message if contents is None else message + with_length(5, contents))


def parameter(name, value):
    return with_length(4, with_length(1, name) + with_length(2, value))


FLOATS = np.array([1, -2.5, np.nan], "<f4")
TYPED = with_length(6, FLOATS.tobytes())


def read(*parts, **limits):
    return ProtobufRequestReader(Limits(**limits)).read(b"".join(parts))


def values(*parts):
    return read(*parts).inputs[0].data.values


def refusal(*parts, **limits):
    with pytest.raises(InferenceError) as raised:
        read(*parts, **limits)
    return str(raised.value)


# Typed contents


def test_packed_floats_are_read_exactly():
    found = values(tensor(TYPED))

    assert found.dtype == np.float32
    assert found.tobytes() == FLOATS.tobytes()


@pytest.mark.parametrize("name", [b"x", b"xx", b"xxx", b"xxxx"])
@pytest.mark.parametrize("is_raw", [False, True])
def test_elements_are_views_of_the_message_where_its_alignment_allows(name, is_raw):
    elements = bytes(40_000)
    contents = None if is_raw else with_length(6, elements)
    body = tensor(contents, name=name, shape=(10_000,)) + (with_length(7, elements) if is_raw else b"")
    memory = np.frombuffer(body, np.uint8)

    found = ProtobufRequestReader(Limits()).read(memoryview(body)).inputs[0].data.values

    is_aligned = (memory.ctypes.data + len(body) - len(elements)) % 4 == 0
    assert found.flags.aligned
    assert np.shares_memory(found, memory) == is_aligned


@pytest.mark.parametrize(
    ("contents", "datatype", "expected"),
    [
        (field(6, 5, struct.pack("<f", 1)) + field(6, 5, struct.pack("<f", 2)), b"FP32", [1, 2]),
        (field(7, 1, struct.pack("<d", 1)) + with_length(7, struct.pack("<d", 2)), b"FP64", [1, 2]),
        (with_length(6, struct.pack("<f", 1)) + with_length(6, struct.pack("<f", 2)), b"FP32", [1, 2]),
        (with_length(2, b"\1") + field(2, 0, varint(-2)), b"INT32", [1, -2]),
        (field(2, 0, b"\1") + with_length(2, b"") + field(2, 0, varint(-2)), b"INT8", [1, -2]),
        (field(1, 0, b"\1") + field(1, 0, b"\0"), b"BOOL", [True, False]),
        (with_length(3, b"") + with_length(3, varint(2**40) + varint(-1)), b"INT64", [2**40, -1]),
        (field(5, 0, varint(2**64 - 1)) + with_length(5, b"\0"), b"UINT64", [2**64 - 1, 0]),
        (with_length(4, b"\xff\1") + with_length(15, b"new") + with_length(4, b"\7"), b"UINT8", [255, 7]),
        (with_length(8, b"") + with_length(8, b"\xff"), b"BYTES", [b"", b"\xff"]),
        (with_length(2, b"\1\2") + with_length(6, b""), b"INT16", [1, 2]),  # an empty field says nothing
        (with_length(8, b"a") + with_length(2, b"") + with_length(8, b"b"), b"BYTES", [b"a", b"b"]),
    ],
)
def test_elements_may_come_packed_one_by_one_and_in_pieces(contents, datatype, expected):
    found = values(tensor(contents, datatype=datatype, shape=(2,)))

    assert list(found) == expected


def test_contents_that_come_in_two_messages_are_one():
    first = with_length(5, with_length(6, FLOATS[:1].tobytes()))
    message = with_length(1, b"x") + with_length(2, b"FP32") + first + with_length(3, b"\3")
    message += with_length(5, with_length(6, FLOATS[1:].tobytes()))

    assert values(with_length(5, message)).tobytes() == FLOATS.tobytes()


ALL = np.concatenate([np.arange(-300, 300), [2**31 - 1, -(2**31), 0]])


@pytest.mark.parametrize(
    ("datatype", "elements", "contents"),
    [
        (b"INT32", ALL.astype(np.int32), b"".join(field(2, 0, varint(int(each))) for each in ALL)),
        (b"BOOL", ALL > 0, b"".join(field(1, 0, varint(int(each > 0))) for each in ALL)),
        (b"FP32", ALL.astype(np.float32), b"".join(field(6, 5, struct.pack("<f", each)) for each in ALL)),
        (b"FP64", ALL.astype(np.float64), b"".join(field(7, 1, struct.pack("<d", each)) for each in ALL)),
    ],
)
def test_many_numbers_one_by_one_are_read_at_once_or_with_a_closer_look(datatype, elements, contents):
    for form in (contents, contents + field(15, 0, b"\1"), field(15, 0, b"\1") + contents):
        found = values(tensor(form, datatype=datatype, shape=(len(ALL),)))

        assert found.dtype == elements.dtype
        assert np.array_equal(found, elements)


@pytest.mark.parametrize("last", [b"\x10", b"\x10\x80", b"\x12\x05\1"])
def test_many_numbers_of_which_the_last_is_cut_off_are_refused(last):
    damaged = field(2, 0, b"\1") * 50 + last

    assert "inputs[0].contents.int_contents: expected " in refusal(tensor(damaged, datatype=b"INT32", shape=(51,)))


@pytest.mark.parametrize("sizes", [[0, 1, 127], [128, 300, 0], [70_000, 5]])
def test_texts_of_every_length_are_read(sizes):
    contents = b"".join(with_length(8, bytes(size)) for size in sizes)

    found = values(tensor(contents, datatype=b"BYTES", shape=(len(sizes),)))

    assert [len(each) for each in found] == sizes


@pytest.mark.parametrize("last", [b"\x42", b"\x42\5a", b"\x42\x80", b"\x42\x80\1a"])
def test_texts_of_which_the_last_is_cut_off_are_refused(last):
    refused = refusal(tensor(with_length(8, b"a") + last, datatype=b"BYTES", shape=(2,)))

    assert refused.startswith("inputs[0].contents.bytes_contents: expected ")
    assert refused.endswith(": the message is cut off")


@pytest.mark.parametrize(
    "contents", [with_length(8, b"\0\x3c\0\xc0"), with_length(8, b"\0\x3c") + with_length(8, b"\0\xc0")]
)
def test_fp16_in_bytes_contents_is_read_because_some_clients_send_it_so(contents):
    found = values(tensor(contents, datatype=b"FP16", shape=(2,)))

    assert found.dtype == np.float16
    assert found.tolist() == [1, -2]


def test_a_shape_may_come_one_by_one():
    shape = field(3, 0, b"\1") + field(3, 0, b"\3")
    message = with_length(1, b"x") + with_length(2, b"FP32") + shape + with_length(5, TYPED)

    assert values(with_length(5, message)).shape == (1, 3)


def test_a_scalar_and_an_empty_tensor_are_tensors():
    assert values(tensor(with_length(6, bytes(4)), shape=())).shape == ()
    assert values(tensor(shape=(0, 3))).shape == (0, 3)
    assert values(tensor(b"", datatype=b"BYTES", shape=(0,))) == []


@pytest.mark.parametrize(
    ("contents", "datatype", "message"),
    [
        (with_length(6, bytes(16)), b"FP32", "inputs[0].contents.fp32_contents: the shape [3] takes 3 elements, got 4"),
        (
            with_length(6, bytes(13)),
            b"FP32",
            "inputs[0].contents.fp32_contents: expected 4 bytes for each element, got 13 in all",
        ),
        (with_length(2, b"\1\2"), b"INT32", "inputs[0].contents.int_contents: the shape [3] takes 3 elements, got 2"),
        (
            with_length(2, b"\1\2\x80"),
            b"INT32",
            "inputs[0].contents.int_contents: the shape [3] takes 3 elements, got 2",
        ),
        (
            with_length(2, b"\1\2\3\x80"),
            b"INT32",
            "inputs[0].contents.int_contents[3]: expected a varint, got 1 bytes of one: the message is cut off",
        ),
        (
            with_length(4, b"\1\xac\2\1"),
            b"UINT8",
            "inputs[0].contents.uint_contents[1]: expected an integer from 0 to 255 for UINT8, got 300",
        ),
        (
            with_length(2, b"\1" + varint(-129) + b"\1"),
            b"INT8",
            "inputs[0].contents.int_contents[1]: expected an integer from -128 to 127 for INT8, got -129",
        ),
        (with_length(1, b"\1\2\1"), b"BOOL", "inputs[0].contents.bool_contents[1]: expected 0 or 1 for BOOL, got 2"),
        (
            with_length(8, b"a"),
            b"BYTES",
            "inputs[0].contents.bytes_contents: the shape [3] takes 3 elements, got 1",
        ),
        (
            b"".join(with_length(8, b"a") for _ in range(100)),
            b"BYTES",
            "inputs[0].contents: expected at most 67 protobuf fields, got more",
        ),
        (with_length(8, b"a"), b"FP16", "inputs[0]: the shape [3] of FP16 takes 6 bytes, got 1"),
        (field(6, 0, b"\1"), b"FP32", "inputs[0].contents.fp32_contents: expected a length or 4 bytes, got a varint"),
        (b"\x32\5ab", b"FP32", "inputs[0].contents.fp32_contents: expected 5 bytes, got 2: the message is cut off"),
        (with_length(3, b"\1\2\3"), b"INT32", "inputs[0].contents.int64_contents: INT32 takes int_contents"),
        (TYPED, b"FP64", "inputs[0].contents.fp32_contents: FP64 takes fp64_contents"),
        (TYPED, b"BF16", "inputs[0].contents.fp32_contents: BF16 takes raw_input_contents"),
        (TYPED, b"BYTES", "inputs[0].contents.fp32_contents: BYTES takes bytes_contents"),
        (field(1, 0, b"\1"), b"BYTES", "inputs[0].contents.bool_contents: BYTES takes bytes_contents"),
    ],
)
def test_b094_contents_that_do_not_fit_are_refused_with_their_field(contents, datatype, message):
    assert refusal(tensor(contents, datatype=datatype)) == message


def test_a_long_element_of_bytes_is_refused():
    contents = with_length(8, b"a") + with_length(8, bytes(11))

    assert refusal(tensor(contents, datatype=b"BYTES", shape=(2,)), max_bytes_element=10) == (
        "inputs[0].contents.bytes_contents[1]: expected at most 10 bytes, got 11"
    )


# Raw contents


def test_raw_contents_belong_to_the_inputs_in_their_order():
    raw = with_length(7, FLOATS.tobytes()), with_length(7, b"\2\0\0\0ab")
    request = read(tensor(), tensor(name=b"s", datatype=b"BYTES", shape=(1,)), *raw)

    assert request.inputs[0].data.values.tobytes() == FLOATS.tobytes()
    assert request.inputs[1].data.values == [b"ab"]
    assert request.parameters == {"binary_data_output": True}


def test_a_raw_request_may_ask_for_a_typed_answer():
    no = parameter(b"binary_data_output", b"\x08\0")

    assert read(tensor(), no, with_length(7, FLOATS.tobytes())).parameters == {"binary_data_output": False}


def test_an_empty_contents_message_beside_raw_contents_is_none():
    assert values(tensor(b""), with_length(7, FLOATS.tobytes())).tobytes() == FLOATS.tobytes()


def test_a_mix_of_which_everything_is_certain_is_read():
    request = read(tensor(TYPED), tensor(name=b"r"), with_length(7, bytes(12)))

    assert [list(each.data.values) for each in request.inputs][1] == [0, 0, 0]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            (tensor(), tensor(name=b"z"), with_length(7, bytes(12))),
            "raw_input_contents: expected 2, one for each input without contents, got 1",
        ),
        (
            (tensor(), with_length(7, bytes(12)), with_length(7, bytes(12))),
            "raw_input_contents: expected 1, one for each input without contents, got 2",
        ),
        (
            (tensor(TYPED), with_length(7, bytes(12))),
            "inputs[0]: has both contents and raw_input_contents; send one of them",
        ),
        (
            (tensor(), tensor(TYPED, name=b"z"), with_length(7, bytes(12)), with_length(7, bytes(12))),
            "inputs[1]: has both contents and raw_input_contents; send one of them",
        ),
        ((tensor(), with_length(7, bytes(11))), "inputs[0]: the shape [3] of FP32 takes 12 bytes, got 11"),
        ((tensor(),), "inputs[0]: its elements are missing; send contents, or raw_input_contents"),
        ((tensor(), with_length(7, b"")), "inputs[0]: its elements are missing; send contents, or raw_input_contents"),
        (
            (tensor(datatype=b"BOOL"), with_length(7, b"\0\1\2")),
            "inputs[0]: BOOL takes the bytes 0 and 1 only",
        ),
        (
            (tensor(datatype=b"BYTES"), with_length(7, bytes(8))),
            "inputs[0]: 3 BYTES elements take at least 12 bytes, got 8",
        ),
    ],
)
def test_b094_raw_contents_that_do_not_add_up_are_refused(parts, message):
    assert refusal(*parts) == message


# Everything else that a request says


def test_parameters_and_outputs_are_read():
    asked = with_length(6, with_length(1, b"y") + with_length(2, with_length(1, b"k") + with_length(2, b"\x10\2")))
    entry = parameter(b"content_type", with_length(3, b"np"))

    request = read(tensor(TYPED, parameters=[entry]), asked, parameter(b"headers", with_length(3, b"x")))

    assert request.inputs[0].parameters.content_type == "np"
    assert request.outputs[0].name == "y"
    assert request.outputs[0].parameters == {"k": 2}
    assert request.parameters is None


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((), "inputs: expected 1 to 256 tensors, got 0"),
        ((tensor(TYPED, name=b""),), "inputs[0].name: expected 1 to 1024 characters without NUL"),
        ((tensor(TYPED), tensor(TYPED)), "inputs: two of them have the same name"),
        ((tensor(TYPED, datatype=b"FLOAT"),), "inputs[0].datatype: expected one of BOOL, UINT8, "),
        (
            (tensor(TYPED, datatype=b"F" * 300),),
            "inputs[0].datatype: expected at most 64 characters, got 300 bytes",
        ),
        ((tensor(TYPED, shape=(-1,)),), "inputs[0].shape: expected dimensions of 0 and more, got -1"),
        ((tensor(TYPED, shape=(2**40,)),), "inputs[0].shape: the element count of [1099511627776] is over the limit"),
        ((tensor(TYPED, name=b"\xff"),), "inputs[0].name: expected text in UTF-8, got something else (invalid start"),
        ((tensor(TYPED) + with_length(6, b""),), "outputs[0].name: expected 1 to 1024 characters without NUL"),
        (
            (tensor(TYPED), with_length(6, with_length(1, b"y")) * 2),
            "outputs: two of them have the same name",
        ),
        (
            (tensor(TYPED, parameters=[parameter(b"p", b"\x08\2")]),),
            "inputs[0].parameters.p.bool_param: expected 0 or 1, got 2",
        ),
        (
            (tensor(TYPED), parameter(b"binary_data_output", with_length(3, b"no"))),
            "parameters.binary_data_output: expected true or false, got 'no'",
        ),
        ((with_length(5, b"\x1a\2\1\x80"),), "inputs[0].shape[1]: expected a varint, got 1 bytes of one"),
        ((with_length(5, b"\x1d1234"),), "inputs[0].shape: expected a length or a varint, got 4 bytes"),
    ],
)
def test_what_a_request_may_not_say_is_refused_with_the_field(parts, message):
    assert refusal(*parts).startswith(message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (tensor(shape=[1] * 10**6), "inputs[0].shape: expected at most 32 dimensions, got more"),
        (with_length(5, b"\x18\1" * 10**6), "inputs[0]: expected at most 160 protobuf fields, got more"),
        (with_length(5, b"\x18\1" * 33), "inputs[0].datatype: expected one of"),
        (
            with_length(5, parameter(b"p", b"\x08\1") * 10**6),
            "inputs[0].parameters: expected at most 64 parameters, got more",
        ),
        (
            tensor(TYPED) + with_length(6, with_length(2, b"") * 10**6),
            "the message: expected at most 1048576 bytes besides",
        ),
        (tensor(TYPED) + with_length(6, with_length(2, b"") * 99), "outputs[0].parameters: expected at most 64"),
        (with_length(5, with_length(9, bytes(2**20))), "the message: expected at most 1048576 bytes besides the"),
        (with_length(4, with_length(2, b"\x08\1") * 99), "inputs: expected 1 to 256 tensors, got 0"),
        (
            tensor(TYPED) + with_length(4, with_length(2, b"\x08\1") * 99),
            "parameters: expected at most 16 protobuf fields, got more",
        ),
        (
            tensor(TYPED) + with_length(4, with_length(2, b"\x08\1" * 99)),
            "parameters.: expected at most 16 protobuf fields, got more",
        ),
        (
            tensor(with_length(2, b"\1" * 10**6), datatype=b"INT64"),
            "inputs[0].contents.int_contents: INT64 takes int64",
        ),
        (
            tensor(with_length(3, b"\1" * 10**6), datatype=b"INT64"),
            "inputs[0].contents.int64_contents: the shape [3] takes 3 elements, got 1000000",
        ),
        (
            tensor(b"\x18\1" * 10**6, datatype=b"INT64"),
            "inputs[0].contents.int64_contents: the shape [3] takes 3 elements, got 1000000",
        ),
        (
            tensor(b"\x78\1" + b"\x18\1" * 10**6, datatype=b"INT64", shape=(10**6,)),
            "inputs[0].contents: expected at most 4160 protobuf fields, got more",
        ),
        (
            tensor(b"\x78\1" + b"\x42\0" * 10**6, datatype=b"BYTES", shape=(10**6,)),
            "inputs[0].contents: expected at most 4160 protobuf fields, got more",
        ),
        (
            tensor(with_length(8, b""), datatype=b"BYTES", shape=(2**31 - 1,)),
            "inputs[0].contents.bytes_contents: the shape [2147483647] takes 2147483647 elements, got 1",
        ),
    ],
)
def test_b093_what_is_too_much_is_refused_without_taking_its_memory(body, message):
    tracemalloc.start()
    try:
        refused = refusal(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert refused.startswith(message)
    assert peak < 3 * len(body) + 2**20


def test_the_generated_messages_are_read():
    message = inference.ModelInferRequest(
        inputs=[
            inference.ModelInferRequestInferInputTensor(
                name="x", datatype="INT8", shape=[2], contents=inference.InferTensorContents(int_contents=[-128, 127])
            )
        ]
    )

    request = read(bytes(message))

    assert request.inputs[0].datatype is Datatype.INT8
    assert request.inputs[0].data.values.tolist() == [-128, 127]
