"""`MLModel`: what a user's own model inherits."""

import numpy as np
import pytest
from mlcore import MLModel, ModelSettings
from mlcore.codecs import Base64Codec, NumpyCodec, NumpyRequestCodec, RequestCodec, StringCodec, StringRequestCodec
from mlcore.errors import CodecError, InternalError
from mlcore.types import InferenceRequest, Parameters, RequestInput, RequestOutput, TensorData


@pytest.fixture
def model():
    def make(**settings):
        return MLModel(ModelSettings(name="m", implementation=MLModel, **settings))

    return make


def tensor(name="x", content_type=None, data="AAE="):
    parameters = Parameters(content_type=content_type) if content_type else None
    return RequestInput(name=name, shape=[1], datatype="BYTES", data=[data], parameters=parameters)


def declared(content_type):
    parameters = {"content_type": content_type} if content_type else None
    return [{"name": "x", "datatype": "BYTES", "shape": [-1], "parameters": parameters}]


def test_a_model_knows_its_name_version_and_settings(model):
    made = model(parameters={"version": "v1"})

    assert (made.name, made.version, made.settings.parameters.version, made.ready) == ("m", "v1", "v1", False)
    assert model().version is None
    assert made.load() is made.unload() is True


def test_a_model_without_predict_says_so(model):
    with pytest.raises(InternalError, match="the model 'm' has no predict method"):
        model().predict(None)


# --- decode ---


@pytest.mark.parametrize(
    ("of_input", "of_declared", "default", "expected"),
    [
        ("base64", "str", StringCodec, [b"\x00\x01"]),
        (None, "base64", StringCodec, [b"\x00\x01"]),
        (None, None, StringCodec, ["AAE="]),
        ("nothing like it", "base64", None, [b"\x00\x01"]),
        ("nothing like it", None, StringCodec, ["AAE="]),
        (None, "nothing like it", Base64Codec, [b"\x00\x01"]),
        ("str", None, None, ["AAE="]),
    ],
)
def test_the_input_then_its_declaration_then_the_default_choose_the_codec(
    model, of_input, of_declared, default, expected
):
    assert model(inputs=declared(of_declared)).decode(tensor(content_type=of_input), default) == expected


def test_without_any_codec_the_data_come_as_they_are(model):
    decoded = model().decode(tensor())

    assert isinstance(decoded, TensorData)
    assert decoded == ["AAE="]


def test_the_declaration_of_another_input_does_not_count(model):
    assert model(inputs=declared("base64")).decode(tensor("y"), StringCodec) == ["AAE="]


def test_a_tensor_that_does_not_fit_its_content_type_is_the_clients_error(model):
    wrong = RequestInput(name="x", shape=[1], datatype="FP32", data=[1], parameters=Parameters(content_type="str"))

    with pytest.raises(CodecError, match="needs the datatype BYTES, got FP32"):
        model().decode(wrong)


@pytest.mark.parametrize(
    ("of_request", "of_settings", "default", "expected"),
    [
        ("str", "np", NumpyRequestCodec, ["AAE="]),
        (None, "str", NumpyRequestCodec, ["AAE="]),
        (None, None, StringRequestCodec, ["AAE="]),
        ("nothing like it", None, StringRequestCodec, ["AAE="]),
        ("base64", None, StringRequestCodec, ["AAE="]),
    ],
)
def test_the_request_then_the_settings_then_the_default_choose_the_request_codec(
    model, of_request, of_settings, default, expected
):
    request = InferenceRequest(inputs=[tensor()], parameters=Parameters(content_type=of_request))

    assert model(parameters={"content_type": of_settings}).decode_request(request, default) == expected


def test_without_any_request_codec_the_request_itself_is_returned(model):
    request = InferenceRequest(inputs=[tensor()])

    assert model().decode_request(request) is request


def mixed(content_type):
    return InferenceRequest(
        inputs=[tensor(content_type=content_type)], parameters=Parameters(content_type="str"), outputs=None
    )


def test_an_inputs_own_codec_wins_over_that_of_its_request(model):
    assert model().decode_request(mixed("base64")) == [b"\x00\x01"]
    assert model(inputs=declared("base64")).decode_request(mixed(None)) == [b"\x00\x01"]
    assert model().decode_request(mixed("nothing like it")) == ["AAE="]


def test_a_request_codec_that_asks_nobody_reads_the_request_alone(model):
    class Names(RequestCodec):
        @classmethod
        def decode_request(cls, request):
            return [tensor.name for tensor in request.inputs]

    assert model().decode_request(InferenceRequest(inputs=[tensor()]), Names) == ["x"]


# --- encode ---


@pytest.mark.parametrize(
    ("of_output", "of_declared", "payload", "default", "expected"),
    [
        ("base64", "str", ["a"], None, "base64"),
        (None, "base64", ["a"], None, "base64"),
        (None, None, ["a"], Base64Codec, "str"),
        (None, None, np.array([1]), None, "np"),
        ("nothing like it", None, ["a"], None, "str"),
        (None, None, ("a",), StringCodec, "str"),
    ],
)
def test_the_output_then_its_declaration_then_the_object_then_the_default_choose_the_codec(
    model, of_output, of_declared, payload, default, expected
):
    parameters = Parameters(content_type=of_output) if of_output else None

    output = model(outputs=declared(of_declared)).encode(
        payload, RequestOutput(name="x", parameters=parameters), default
    )

    assert output.name == "x"
    assert output.parameters.content_type == expected


def test_an_object_that_no_codec_can_encode_is_the_models_error(model):
    with pytest.raises(
        InternalError, match="output 'y': no codec can encode a float; return a numpy array or a list of"
    ):
        model().encode(1.5, RequestOutput(name="y"))
    with pytest.raises(InternalError, match="no codec can encode a float as a whole response"):
        model().encode_response(1.5)


def test_a_whole_response_is_encoded_by_its_type_or_the_default(model):
    made = model(parameters={"version": "v1"})

    response = made.encode_response(np.array([1]))

    assert (response.model_name, response.model_version) == ("m", "v1")
    assert response.outputs[0].parameters.content_type == "np"
    assert made.encode_response(("a",), StringRequestCodec).outputs[0].parameters.content_type == "str"
    assert NumpyCodec.decode_output(response.outputs[0]).tolist() == [[1]]
