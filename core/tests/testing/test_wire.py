"""Calls of requests, and responses of answers."""

import json

import numpy as np
import pytest
from mlcore import MLModel, ModelSettings, Server
from mlcore.codecs import NumpyCodec, StringCodec
from mlcore.testing import call_of, response_of
from mlcore.types import InferenceRequest, InferenceResponse, Parameters


class Echo(MLModel):
    async def predict(self, payload):
        outputs = [NumpyCodec.encode_output(tensor.name, NumpyCodec.decode_input(tensor)) for tensor in payload.inputs]
        return InferenceResponse(model_name="m", outputs=outputs)


@pytest.fixture
def request_of_two():
    return InferenceRequest(
        id="r-1",
        parameters=Parameters(size=3),
        inputs=[
            NumpyCodec.encode_input("x", np.array([[1.5, 2.5]], dtype=np.float32)),
            StringCodec.encode_input("words", ["é", "b"]),
        ],
    )


@pytest.mark.parametrize("binary", [False, True])
async def test_a_request_travels_there_and_back(request_of_two, binary):
    call = call_of(request_of_two, "m", binary=binary)
    assert (call.head_length is not None) is binary

    async with Server(models=[ModelSettings(name="m", implementation=Echo)], transports=[]) as server:
        response = response_of(await server.dispatcher.infer(call))

    assert response.id == "r-1"
    assert [output.name for output in response.outputs] == ["x", "words"]
    assert response.outputs[0].data.tolist() == [1.5, 2.5]
    texts = [text.decode() if binary else text for text in response.outputs[1].data.tolist()]
    assert texts == ["é", "b"]


def test_a_request_is_not_changed_by_being_sent(request_of_two):
    before = request_of_two.model_dump()

    call = call_of(request_of_two, "m", "v1", binary=True)

    assert request_of_two.model_dump() == before
    head = json.loads(bytes(call.body)[: call.head_length])
    assert head["parameters"] == {"size": 3, "binary_data_output": True}
    assert [tensor["parameters"]["binary_data_size"] for tensor in head["inputs"]] == [8, 11]
    assert call.version == "v1"
