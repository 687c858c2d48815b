"""Property tests of the protobuf format, against two libraries that read and write the same messages."""

import struct
from importlib.resources import files

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from mlcore_protocol import Datatype, InferenceError, InferenceResponse, Limits, ProtobufFormat, ResponseOutput
from mlcore_protocol.datatypes import NUMPY_DTYPES
from mlcore_protocol.protobuf import inference
from mlcore_protocol.protobuf_head import read_head
from mlcore_protocol.protobuf_messages import CONTENTS_FIELDS, CONTENTS_OF


def google_messages():
    pool = descriptor_pool.DescriptorPool()
    read = descriptor_pb2.FileDescriptorSet.FromString(
        files("mlcore_protocol.protobuf").joinpath("descriptors.binpb").read_bytes()
    )
    for file in read.file:
        pool.Add(file)
    return [
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{name}"))
        for name in ("ModelInferRequest", "ModelInferResponse", "ModelStreamInferResponse")
    ]


GoogleRequest, GoogleResponse, GoogleStreamResponse = google_messages()

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
int64s = st.integers(-(2**63), 2**63 - 1)
values = st.one_of(
    st.builds(lambda value: {"bool_param": value}, st.booleans()),
    st.builds(lambda value: {"int64_param": value}, int64s),
    st.builds(lambda value: {"string_param": value}, texts),
    st.builds(lambda value: {"double_param": value}, st.floats(allow_nan=False)),
    st.builds(lambda value: {"uint64_param": value}, st.integers(0, 2**64 - 1)),
)

# Names with a meaning of their own are for other tests; strings of the code under test are among what is drawn.
keys = texts.filter(lambda key: key not in ("headers", "binary_data", "binary_data_output"))
parameters = st.dictionaries(keys, values, max_size=4)
shapes = st.lists(st.integers(0, 5), max_size=3)


def elements(datatype, count):
    """Return lists of elements that the datatype has."""
    if datatype is Datatype.BYTES:
        element = st.binary(max_size=200)
    elif datatype is Datatype.BOOL:
        element = st.booleans()
    elif datatype in (Datatype.FP32, Datatype.FP64, Datatype.FP16):
        element = st.floats(width=8 * NUMPY_DTYPES[datatype].itemsize)
    elif datatype is Datatype.BF16:
        element = st.sampled_from([0.0, 1.5, -2.0])
    else:
        bounds = np.iinfo(NUMPY_DTYPES[datatype])
        element = st.integers(int(bounds.min), int(bounds.max)) | st.integers(0, 100)
    return st.lists(element, min_size=count, max_size=count)


def raw_bytes(datatype, given_elements):
    if datatype is Datatype.BYTES:
        return b"".join(struct.pack("<I", len(element)) + element for element in given_elements)
    return np.array(given_elements, NUMPY_DTYPES[datatype]).tobytes()


@st.composite
def tensors(draw, datatypes):
    datatype = draw(st.sampled_from(datatypes))
    shape = draw(shapes)
    return datatype, shape, draw(elements(datatype, int(np.prod(shape, dtype=int))))


@st.composite
def requests(draw):
    """Return a request of Google's library, and what its tensors hold."""
    is_raw = draw(st.booleans())
    tensor_names = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    message = GoogleRequest(model_name=draw(texts), model_version=draw(texts), id=draw(st.just("") | st.just("a-1")))
    message.MergeFrom(GoogleRequest(parameters=draw(parameters)))
    held = []
    for name in tensor_names:
        datatype, shape, given_elements = draw(tensors(list(Datatype) if is_raw else list(CONTENTS_OF)))
        tensor = message.inputs.add(name=name, datatype=datatype, shape=shape, parameters=draw(parameters))
        if is_raw:
            message.raw_input_contents.append(raw_bytes(datatype, given_elements))
        else:
            getattr(tensor.contents, CONTENTS_FIELDS[CONTENTS_OF[datatype]][0]).extend(given_elements)
        held.append((datatype, shape, given_elements))
    for name in draw(st.lists(names, max_size=2, unique=True)):
        message.outputs.add(name=name, parameters=draw(parameters))
    return message, held


def plain(parameters):
    """Return parameters of Google's library as Python values."""
    chosen = {name: value.WhichOneof("parameter_choice") for name, value in parameters.items()}
    return {name: getattr(parameters[name], kind) for name, kind in chosen.items() if kind}


def same(values, datatype, shape, expected):
    if datatype is Datatype.BYTES:
        return values == expected
    expected = np.array(expected, NUMPY_DTYPES[datatype]).reshape(shape)
    return values.dtype == expected.dtype and values.shape == expected.shape and values.tobytes() == expected.tobytes()


@given(requests(), st.sampled_from([bytes, bytearray, memoryview]))
@settings(deadline=None)
def test_what_another_library_writes_is_read(request, kind):
    message, held = request
    body = message.SerializeToString()

    read = ProtobufFormat().decode(kind(body))
    head = read_head(kind(body), Limits())

    assert (read.id or "") == message.id
    asked = {**(read.parameters or {})}
    assert asked.pop("binary_data_output", False) == bool(message.raw_input_contents)
    assert asked == plain(message.parameters) == (head.parameters() or {})
    assert (head.model_name, head.model_version or "", head.id or "") == (
        message.model_name,
        message.model_version,
        message.id,
    )
    assert [each.name for each in read.outputs or ()] == [each.name for each in message.outputs]
    for tensor, theirs, (datatype, shape, expected) in zip(read.inputs, message.inputs, held, strict=True):
        assert (tensor.name, tensor.datatype, tensor.shape) == (theirs.name, datatype, shape)
        assert (tensor.parameters or {}) == plain(theirs.parameters)
        assert same(tensor.data.values, datatype, shape, expected)


@given(requests())
@settings(deadline=None, max_examples=50)
def test_what_the_generated_messages_write_is_read(request):
    message, _ = request
    body = message.SerializeToString()

    again = bytes(inference.ModelInferRequest.parse(body))

    ours, theirs = ProtobufFormat().decode(body), ProtobufFormat().decode(again)
    assert repr(ours) == repr(theirs)


@st.composite
def responses(draw):
    datatypes = draw(st.sampled_from([list(Datatype), list(CONTENTS_OF)]))
    held = [draw(tensors(datatypes)) for _ in range(draw(st.integers(0, 3)))]
    outputs = [
        ResponseOutput(
            name=draw(names),
            shape=shape,
            datatype=datatype,
            parameters=draw(st.none() | st.just({"content_type": "np"})),
            data=given_elements
            if datatype is Datatype.BYTES
            else np.array(given_elements, NUMPY_DTYPES[datatype]).reshape(shape),
        )
        for datatype, shape, given_elements in held
    ]
    response = InferenceResponse(
        model_name=draw(texts),
        model_version=draw(st.none() | texts),
        id=draw(st.none() | texts),
        parameters=draw(
            st.dictionaries(texts, st.booleans() | int64s | texts | st.floats(allow_nan=False), max_size=3)
        ),
        outputs=outputs,
    )
    return response, held


@given(responses(), st.booleans())
@settings(deadline=None)
def test_what_is_written_other_libraries_read(written, is_raw):
    response, held = written
    request = ProtobufFormat().decode(
        GoogleRequest(
            inputs=[{"name": "x", "datatype": "FP32", "shape": [0]}],
            parameters={"binary_data_output": {"bool_param": is_raw}},
        ).SerializeToString()
    )

    body = b"".join(ProtobufFormat().encode(response, request).buffers)

    read = GoogleResponse.FromString(body)
    assert inference.ModelInferResponse.parse(body).model_name == response.model_name
    assert read.model_name == response.model_name
    assert read.model_version == (response.model_version or "")
    assert read.id == (response.id or "")
    assert plain(read.parameters) == response.parameters
    is_raw = is_raw or any(datatype not in CONTENTS_OF for datatype, _, _ in held)
    assert len(read.raw_output_contents) == (len(held) if is_raw else 0)
    for index, (output, theirs) in enumerate(zip(response.outputs, read.outputs, strict=True)):
        datatype, shape, expected = held[index]
        assert (theirs.name, theirs.datatype, theirs.shape) == (output.name, datatype, shape)
        assert plain(theirs.parameters) == (output.parameters or {})
        if is_raw:
            assert read.raw_output_contents[index] == raw_bytes(datatype, expected)
        else:
            found = list(getattr(theirs.contents, CONTENTS_FIELDS[CONTENTS_OF[datatype]][0]))
            if datatype is Datatype.BYTES:
                assert found == expected
            else:
                assert same(np.array(found, NUMPY_DTYPES[datatype]).reshape(shape), datatype, shape, expected)


@given(requests(), st.data())
@settings(deadline=None, max_examples=300)
def test_a_damaged_message_is_refused_or_read_as_what_it_says(request, data):
    body = bytearray(request[0].SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, max(0, len(body) - 1)))
        match data.draw(st.sampled_from(["cut", "flip", "insert", "remove", "repeat"])):
            case "cut":
                del body[position:]
            case "flip" if body:
                body[position] ^= 1 << data.draw(st.integers(0, 7))
            case "insert":
                body[position:position] = data.draw(st.binary(max_size=12))
            case "remove":
                del body[position : position + data.draw(st.integers(1, 4))]
            case "repeat":
                body += body[position:]

    try:
        ours = ProtobufFormat().decode(bytes(body))
    except InferenceError:
        return
    theirs = GoogleRequest.FromString(bytes(body))
    assert [tensor.name for tensor in ours.inputs] == [tensor.name for tensor in theirs.inputs]
    assert [tensor.shape for tensor in ours.inputs] == [tensor.shape for tensor in theirs.inputs]


@given(st.binary(max_size=60))
@settings(deadline=None, max_examples=500)
def test_random_bytes_are_refused(body):
    with pytest.raises(InferenceError):
        ProtobufFormat().decode(body)


def read_all(body):
    read_head(body, Limits()).parameters()
    ProtobufFormat().decode(body)


@given(st.binary(max_size=60))
@settings(deadline=None, max_examples=500)
def test_what_another_library_refuses_is_refused(body):
    try:
        GoogleRequest.FromString(body)
    except DecodeError:
        with pytest.raises(InferenceError):
            read_all(body)
