"""Codecs that code registers, how they are found, and the functions around them."""

import json
from typing import Any

import numpy as np
import pytest
from mlcore.codecs import builtin_codecs
from mlserver import MLModel, ModelSettings
from mlserver.codecs import (
    InputCodec,
    NumpyCodec,
    NumpyRequestCodec,
    RequestCodec,
    StringCodec,
    base,
    decode_args,
    decode_inference_request,
    decode_request_input,
    encode_inference_response,
    encode_response_output,
    get_decoded,
    get_decoded_or_raw,
    has_decoded,
    register_input_codec,
    register_request_codec,
    registered,
)
from mlserver.codecs.errors import CodecNotFound, InputsNotFound, OutputNotFound
from mlserver.codecs.json import JSONEncoderWithArray, decode_json_input_or_output, encode_to_json
from mlserver.codecs.lists import as_list
from mlserver.codecs.numpy import convert_nan, to_datatype, to_dtype
from mlserver.codecs.string import decode_str, encode_str
from mlserver.codecs.utils import inject_batch_dimension
from mlserver.types import (
    InferenceRequest,
    MetadataTensor,
    Parameters,
    RequestInput,
    RequestOutput,
    ResponseOutput,
)

TEXT = RequestInput(name="t", shape=[1], datatype="BYTES", data=["a"], parameters=Parameters(content_type="str"))


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    """Forget what a test registers."""
    monkeypatch.setattr(registered, "_inputs", {})
    monkeypatch.setattr(registered, "_requests", {})


def json_codec(answer: str) -> type[InputCodec]:
    """Return a codec that writes what it is."""

    class JsonCodec(InputCodec):
        ContentType = "json"
        TypeHint = dict

        @classmethod
        def can_encode(cls, payload: Any) -> bool:
            return isinstance(payload, dict)

        @classmethod
        def encode_output(cls, name: str, payload: Any, use_bytes: bool = True, **kwargs: Any) -> ResponseOutput:
            return ResponseOutput(name=name, shape=[1], datatype="BYTES", data=[answer])

        @classmethod
        def decode_input(cls, request_input: RequestInput) -> Any:
            return answer

    return JsonCodec


class Joined(RequestCodec):
    """All inputs as one dict, each decoded by its own codec where it has one."""

    ContentType = "joined"
    TypeHint = tuple

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        return isinstance(payload, tuple)

    @classmethod
    def decode_request(cls, request: InferenceRequest) -> Any:
        return {tensor.name: get_decoded_or_raw(tensor) for tensor in request.inputs}

    @classmethod
    def encode_response(cls, model_name: str, payload: Any, model_version: str | None = None, **kwargs: Any) -> Any:
        return NumpyRequestCodec.encode_response(model_name, np.array(payload), model_version)


def model() -> MLModel:
    return MLModel(ModelSettings(name="m", implementation=MLModel))


def tensor_of(content_type: str) -> RequestInput:
    parameters = Parameters(content_type=content_type)
    return RequestInput(name="x", shape=[1], datatype="BYTES", data=["{}"], parameters=parameters)


def test_a_registered_codec_is_found_by_content_type_object_and_type_hint():
    codec = register_input_codec(json_codec("one"))

    codecs = model().codecs

    assert codecs.input_codec("json") is codec
    assert codecs.input_codec_for({}) is codec
    assert codecs.input_codec_of_hint(dict) is codec
    assert codecs.input_codec(None) is None
    assert codecs.input_codec("nothing") is None
    assert codecs.content_types()["json"] == ["the model's code"]


def test_a_registered_request_codec_is_found_by_content_type_object_and_type_hint():
    register_request_codec(Joined)

    codecs = model().codecs

    assert codecs.request_codec("joined") is Joined
    assert codecs.request_codec_for(()) is Joined
    assert codecs.request_codec_of_hint(tuple) is Joined


def test_a_registered_codec_replaces_that_of_the_server():
    codec = json_codec("mine")
    codec.ContentType = "np"

    register_input_codec(codec)

    assert model().codecs.input_codec("np") is codec


def test_a_model_keeps_the_codec_that_it_came_with():
    register_input_codec(json_codec("first"))
    first = model()
    register_input_codec(json_codec("second"))

    assert first.decode(tensor_of("json")) == "first"
    assert model().decode(tensor_of("json")) == "second"


def test_a_model_finds_a_codec_that_is_registered_later():
    early = model()

    register_input_codec(json_codec("late"))

    assert early.decode(tensor_of("json")) == "late"


def test_what_a_server_gives_a_model_stays_beside_what_is_registered():
    register_input_codec(json_codec("mine"))
    made = model()

    made.codecs = made.codecs
    made.codecs = builtin_codecs()

    assert made.decode(tensor_of("json")) == "mine"
    assert made.decode(TEXT) == ["a"]


def test_inputs_are_decoded_for_a_request_codec_that_asks_for_what_they_hold():
    register_request_codec(Joined)
    raw = RequestInput(name="raw", shape=[1], datatype="INT64", data=[1])
    request = InferenceRequest(parameters={"content_type": "joined"}, inputs=[TEXT, raw])

    decoded = model().decode_request(request)

    assert decoded["t"] == ["a"]
    assert decoded["raw"].root == [1]
    assert not has_decoded(request.inputs[0])  # what the client sent is not changed


def test_a_decoded_value_is_kept_beside_the_parameters():
    kept = registered_value = ["a"]
    from mlserver.codecs.decoded import with_decoded

    tensor = with_decoded(TEXT, kept)

    assert has_decoded(tensor)
    assert get_decoded(tensor) is registered_value
    assert tensor.parameters._decoded_payload is kept
    assert tensor.model_dump() == TEXT.model_dump()
    assert get_decoded(TEXT) is None
    assert get_decoded_or_raw(TEXT).root == ["a"]


def test_code_outside_of_a_model_finds_codecs_too():
    codec = register_input_codec(json_codec("here"))

    assert base.find_input_codec("json") is codec
    assert base.find_input_codec(payload={}) is codec
    assert base.find_input_codec(type_hint=dict) is codec
    assert base.find_input_codec() is None
    assert base.find_input_codec_by_payload(np.array([1])) is NumpyCodec
    assert base.find_request_codec("np") is NumpyRequestCodec
    assert base.find_request_codec(payload=np.array([1])) is NumpyRequestCodec
    assert base.find_request_codec_by_payload(np.array([1])) is NumpyRequestCodec
    register_request_codec(Joined)
    assert base.find_request_codec(type_hint=tuple) is Joined
    assert base.find_request_codec() is None


def test_the_functions_around_codecs_do_what_a_model_does():
    declared = {"x": MetadataTensor(name="x", parameters=Parameters(content_type="np"))}
    plain = RequestInput(name="x", shape=[1], datatype="INT64", data=[1])
    settings = ModelSettings(name="m", implementation=MLModel, parameters={"content_type": "np"})

    assert decode_request_input(TEXT) == ["a"]
    assert decode_request_input(plain) is None
    assert decode_request_input(plain, declared).tolist() == [1]
    assert decode_inference_request(InferenceRequest(inputs=[plain])) is None
    assert decode_inference_request(InferenceRequest(inputs=[plain]), settings).tolist() == [1]
    assert encode_response_output(["a"], RequestOutput(name="y")) == StringCodec.encode_output("y", ["a"])
    assert encode_response_output(object(), RequestOutput(name="y")) is None
    assert encode_inference_response(np.array([1]), settings).outputs[0].name == "output-1"
    assert encode_inference_response(object(), settings) is None


def test_a_hint_of_a_registered_codec_stands_in_a_signature():
    register_input_codec(json_codec("decoded"))

    class Takes(MLModel):
        @decode_args
        async def predict(self, x: dict) -> dict:
            return {"x": x}

    takes = Takes(ModelSettings(name="m", implementation=Takes))
    coroutine = takes.predict(InferenceRequest(inputs=[tensor_of("json")]))
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)

    assert stopped.value.value.outputs[0].data.root == ["decoded"]


def test_the_names_of_older_codecs_do_the_same():
    array = np.array([[1]])

    assert NumpyCodec.encode("x", array) == NumpyCodec.encode_output("x", array)
    assert NumpyCodec.decode(NumpyCodec.encode_input("x", array)).tolist() == [[1]]
    assert NumpyRequestCodec.encode("m", array) == NumpyRequestCodec.encode_response("m", array)
    assert NumpyRequestCodec.decode(NumpyRequestCodec.encode_request(array)).tolist() == [[1]]


def test_small_functions_that_codecs_of_users_call():
    assert to_datatype(np.dtype("int64")) == "INT64"
    with pytest.raises(Exception, match="dtype complex128 have no datatype"):
        to_datatype(np.dtype(complex))
    assert to_dtype(NumpyCodec.encode_input("x", np.array([1]))) == np.int64
    assert to_dtype(TEXT) == np.dtype(object)
    assert convert_nan(float("nan")) is None
    assert convert_nan(1) == 1
    assert encode_str("é") == "é".encode()
    assert decode_str(b"a") == decode_str("a") == "a"
    assert list(as_list("a")) == list(as_list(["a"])) == ["a"]
    assert inject_batch_dimension([3]) == [3, 1]
    assert inject_batch_dimension([]) == [1]
    assert inject_batch_dimension([2, 2]) == [2, 2]
    assert encode_to_json({"a": np.array([1])}) == b'{"a":[1]}'
    assert encode_to_json({"a": 1}, use_bytes=False) == '{"a":1}'
    assert json.dumps({"a": np.array([1])}, cls=JSONEncoderWithArray) == '{"a": [1]}'
    with pytest.raises(TypeError):
        json.dumps(object(), cls=JSONEncoderWithArray)
    assert decode_json_input_or_output(tensor_of("json")) == [{}]


def test_errors_of_codecs_name_the_field():
    assert str(CodecNotFound("x", is_input=True)) == "input 'x': no codec is installed or registered"
    assert str(CodecNotFound(payload_type="int", is_request=True)) == (
        "request: no codec for the type int is installed or registered"
    )
    assert str(OutputNotFound(0, int, [str])) == "output-0: expected one of [<class 'str'>], got <class 'int'>"
    assert str(InputsNotFound([TEXT], {"x": int})) == "inputs: expected ['x'], got ['t']"
