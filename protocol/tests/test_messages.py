"""Tests of the messages as a model and a client see them."""

import json
import pickle

import ml_dtypes
import numpy as np
import pytest
from mlcore_protocol import (
    Datatype,
    InferenceError,
    InferenceRequest,
    InferenceResponse,
    MetadataTensor,
    ModelMetadata,
    Parameters,
    RepositoryIndexItem,
    RequestInput,
    RequestOutput,
    ResponseOutput,
    ServerMetadata,
    TensorData,
)

PLAIN_REQUEST = {
    "id": "a-1",
    "parameters": {"content_type": "pd"},
    "inputs": [
        {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"content_type": "np"}, "data": [1.5, 2.5]},
        {"name": "s", "shape": [1], "datatype": "BYTES", "data": ["text"]},
    ],
    "outputs": [{"name": "y", "parameters": {"binary_data": False}}, {"name": "z"}],
}
PLAIN_RESPONSE = {
    "model_name": "m",
    "model_version": "v1",
    "id": "a-1",
    "parameters": {"content_type": "pd"},
    "outputs": [{"name": "y", "shape": [2], "datatype": "INT64", "data": [1, 2]}],
}


# Parameters


def test_a_parameter_reads_as_an_attribute():
    assert Parameters(content_type="np").content_type == "np"


def test_content_type_and_headers_are_none_where_they_are_absent():
    assert (Parameters().content_type, Parameters().headers) == (None, None)


def test_another_parameter_that_is_absent_is_an_error_that_names_those_there():
    with pytest.raises(AttributeError, match=r"no parameter 'b'; there are: a"):
        _ = Parameters(a=1).b
    with pytest.raises(AttributeError, match="there are: none"):
        _ = Parameters().b


def test_a_parameter_is_written_as_an_attribute():
    parameters = Parameters()

    parameters.threshold = 0.5

    assert parameters == {"threshold": 0.5}


@pytest.mark.parametrize("way", ["model_dump", "dict"])
def test_parameters_become_a_plain_dict_without_none(way):
    plain = getattr(Parameters(a=1, b=None), way)()

    assert plain == {"a": 1}
    assert type(plain) is dict


# Tensors


@pytest.mark.parametrize("tensor_class", [RequestInput, ResponseOutput])
def test_a_tensor_takes_plain_values_and_gives_typed_ones(tensor_class):
    tensor = tensor_class(name="x", shape=[2], datatype="INT32", parameters={"content_type": "np"}, data=[1, 2])

    assert tensor.datatype is Datatype.INT32
    assert tensor.parameters.content_type == "np"
    assert tensor.data == TensorData([1, 2])


def test_a_tensor_of_an_unknown_datatype_is_refused_with_the_ones_there_are():
    with pytest.raises(InferenceError, match=r"x\.datatype: 'FLOAT' is not a datatype; there are BOOL, .*BYTES"):
        RequestInput(name="x", shape=[1], datatype="FLOAT", data=[1])


def test_a_tensor_keeps_the_array_that_it_was_given():
    array = np.zeros((2, 2))

    assert ResponseOutput(name="y", shape=[2, 2], datatype="FP64", data=array).data.values is array


def test_messages_wrap_plain_parameters():
    request = InferenceRequest(parameters={"a": 1}, inputs=[], outputs=[RequestOutput(name="y", parameters={"b": 2})])
    response = InferenceResponse(model_name="m", parameters={"c": 3}, outputs=[])

    assert (request.parameters.a, request.outputs[0].parameters.b, response.parameters.c) == (1, 2, 3)


def test_messages_survive_the_way_between_processes():
    request = InferenceRequest.model_validate(PLAIN_REQUEST)

    again = pickle.loads(pickle.dumps(request))

    assert again == request
    assert again.parameters.content_type == "pd"
    assert again.inputs[0].datatype is Datatype.FP32


# To dicts and JSON, and back


@pytest.mark.parametrize("way", ["model_dump", "dict"])
def test_an_input_becomes_the_dict_that_a_http_client_sends(way):
    tensor = RequestInput(
        name="docs", shape=[2, 1], datatype="BYTES", parameters=Parameters(content_type="str"), data=["one", "two"]
    )

    assert {"inputs": [getattr(tensor, way)()]} == {
        "inputs": [
            {
                "name": "docs",
                "shape": [2, 1],
                "datatype": "BYTES",
                "parameters": {"content_type": "str"},
                "data": ["one", "two"],
            }
        ]
    }


@pytest.mark.parametrize("way", ["model_validate", "parse_obj"])
@pytest.mark.parametrize(
    ("message_class", "plain"), [(InferenceRequest, PLAIN_REQUEST), (InferenceResponse, PLAIN_RESPONSE)]
)
def test_a_message_is_made_from_a_dict_and_becomes_it_again(way, message_class, plain):
    assert getattr(message_class, way)(plain).model_dump() == plain


@pytest.mark.parametrize("way", ["model_validate_json", "parse_raw"])
@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_message_is_made_from_json_and_becomes_it_again(way, kind):
    message = getattr(InferenceResponse, way)(kind(json.dumps(PLAIN_RESPONSE)))

    assert json.loads(message.model_dump_json()) == PLAIN_RESPONSE
    assert json.loads(message.json()) == PLAIN_RESPONSE


def test_absent_members_are_left_out():
    assert InferenceRequest(inputs=[]).model_dump() == {"inputs": []}
    assert InferenceResponse(model_name="m", outputs=[]).model_dump() == {"model_name": "m", "outputs": []}


def test_an_array_becomes_a_flat_list():
    tensor = ResponseOutput(name="y", shape=[2, 2], datatype="FP32", data=np.array([[1, 2], [3, np.nan]], np.float32))

    assert tensor.model_dump()["data"] == [1.0, 2.0, 3.0, None]
    assert json.loads(tensor.model_dump_json())["data"] == [1.0, 2.0, 3.0, None]


def test_numpy_scalars_and_arrays_within_lists_become_plain():
    data = [np.float32(1.5), np.array([2, 3]), np.array([4]).astype(ml_dtypes.bfloat16)]

    assert ResponseOutput(name="y", shape=[4], datatype="FP32", data=data).model_dump()["data"] == [1.5, [2, 3], [4.0]]


def test_bytes_stay_bytes_in_a_dict_and_are_text_in_json():
    tensor = RequestInput(name="x", shape=[1], datatype="BYTES", data=["é".encode()])

    assert tensor.model_dump()["data"] == ["é".encode()]
    assert json.loads(tensor.model_dump_json())["data"] == ["é"]


def test_bytes_that_are_not_text_have_no_json():
    tensor = RequestInput(name="x", shape=[1], datatype="BYTES", data=[b"\xff"])

    with pytest.raises(InferenceError, match="base64 codec"):
        tensor.model_dump_json()


def test_an_object_without_a_json_form_is_an_error_that_names_its_type():
    tensor = RequestInput(name="x", shape=[1], datatype="BYTES", data=[object()])

    with pytest.raises(NotImplementedError, match="object has no JSON form"):
        tensor.model_dump()


def test_a_message_takes_an_array_within_a_dict():
    array = np.ones(2, np.float32)

    tensor = RequestInput.model_validate({"name": "x", "shape": [2], "datatype": "FP32", "data": array})

    assert tensor.data.values is array


@pytest.mark.parametrize(
    ("plain", "text"),
    [
        ({}, "missing required field `inputs`"),
        ({"inputs": 5}, r"Expected `array`, got `int` - at `\$.inputs`"),
        ({"inputs": [], "parameters": 5}, "Expected an object of parameters, got int"),
        (
            {"inputs": [{"name": "x", "shape": ["1"], "datatype": "FP32", "data": []}]},
            r"at `\$.inputs\[0\].shape\[0\]`",
        ),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "FLOAT", "data": []}]}, "FLOAT"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}, "missing required field `data`"),
        ([], "got `array`"),
    ],
)
def test_a_dict_of_another_form_is_refused_with_the_place(plain, text):
    with pytest.raises(InferenceError, match=f"not a valid InferenceRequest: .*{text}"):
        InferenceRequest.model_validate(plain)


@pytest.mark.parametrize("text", ["", "{", b"\xff", b'"\xff"', "[" * 100_000])
def test_what_is_not_json_is_refused(text):
    with pytest.raises(InferenceError, match="not valid JSON"):
        InferenceRequest.model_validate_json(text)


# Metadata


def test_model_metadata_shows_its_empty_members():
    assert ModelMetadata(name="m").model_dump() == {
        "name": "m",
        "versions": [],
        "platform": "",
        "inputs": [],
        "outputs": [],
        "parameters": {},
    }


def test_a_tensor_of_the_metadata_takes_an_unknown_size():
    metadata = ModelMetadata(name="m", inputs=[MetadataTensor(name="x", datatype="FP32", shape=[-1, 3])])

    assert metadata.model_dump()["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]


def test_server_metadata_shows_its_extensions():
    assert ServerMetadata(name="s", version="1", extensions=["a"]).model_dump() == {
        "name": "s",
        "version": "1",
        "extensions": ["a"],
    }


@pytest.mark.parametrize("way", ["model_dump", "dict"])
def test_an_item_of_the_repository_has_a_version_only_where_its_model_has_one(way):
    without = RepositoryIndexItem(name="m", state="READY")
    with_version = RepositoryIndexItem(name="m", version="v1", state="UNAVAILABLE", reason="no file")

    assert getattr(without, way)() == {"name": "m", "state": "READY", "reason": ""}
    assert getattr(with_version, way)() == {"name": "m", "version": "v1", "state": "UNAVAILABLE", "reason": "no file"}
    assert json.loads(without.json()) == without.dict()


def test_members_may_be_plain_dicts():
    tensor = {"name": "x", "shape": [1], "datatype": "INT64", "data": [1]}

    request = InferenceRequest(inputs=[tensor], outputs=[{"name": "y"}])
    response = InferenceResponse(model_name="m", outputs=[tensor])

    assert request.inputs == [RequestInput(**tensor)]
    assert request.outputs == [RequestOutput(name="y")]
    assert response.outputs == [ResponseOutput(**tensor)]


def test_a_member_that_does_not_fit_is_named():
    with pytest.raises(InferenceError, match="not a valid RequestInput: Object missing required field `shape`"):
        InferenceRequest(inputs=[{"name": "x"}])


def test_the_shape_of_an_array_is_a_list():
    assert RequestInput(name="x", shape=(1, 2), datatype="INT64", data=[1, 2]).shape == [1, 2]


def test_members_are_chosen_and_left_out():
    request = InferenceRequest(id="1", inputs=[], parameters={"a": 1})

    assert request.model_dump(include={"id"}) == {"id": "1"}
    assert request.model_dump(exclude={"id", "inputs"}) == {"parameters": {"a": 1}}
    assert request.dict(exclude_none=True, by_alias=True) == request.model_dump()
    assert json.loads(request.json(exclude={"parameters"})) == {"id": "1", "inputs": []}
    assert request.parameters.dict(exclude_none=True) == {"a": 1}


def test_json_is_indented():
    assert InferenceRequest(inputs=[]).model_dump_json(indent=2) == '{\n  "inputs": []\n}'


@pytest.mark.parametrize("options", [{"exclude_none": False}, {"sort_keys": True}])
def test_an_option_that_cannot_be_kept_is_refused(options):
    with pytest.raises(TypeError, match="not an option of a message"):
        InferenceRequest(inputs=[]).dict(**options)


@pytest.mark.parametrize("deep", [False, True])
def test_a_copy_is_changed_alone(deep):
    request = InferenceRequest(id="1", inputs=[], parameters={"a": {}})

    copy = request.model_copy(update={"id": "2"}, deep=deep)

    assert (request.id, copy.id) == ("1", "2")
    assert copy.parameters == request.parameters
    assert (copy.parameters["a"] is request.parameters["a"]) is not deep
    assert request.copy() == request


def test_a_message_is_constructed():
    assert InferenceRequest.construct(inputs=[]) == InferenceRequest.model_construct(inputs=[])
