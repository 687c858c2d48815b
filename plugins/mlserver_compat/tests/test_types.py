"""Messages as code for pydantic's models makes and reads them."""

import numpy as np
import pytest
from mlserver.types import (
    InferenceErrorResponse,
    InferenceRequest,
    InferenceResponse,
    MetadataModelResponse,
    RepositoryIndexRequest,
    RepositoryIndexResponse,
    RequestInput,
    State,
    TensorData,
)

PLAIN = {
    "id": "1",
    "inputs": [{"name": "x", "shape": [2], "datatype": "INT64", "data": [1, 2], "parameters": {"content_type": "np"}}],
    "outputs": [{"name": "y"}],
}


def test_a_request_is_made_of_a_dict():
    request = InferenceRequest(**PLAIN)

    assert request.inputs[0].parameters.content_type == "np"
    assert request.inputs[0].parameters.headers is None
    assert request.inputs[0].data[0] == 1
    assert request.outputs[0].name == "y"
    assert request.dict() == request.model_dump() == PLAIN
    assert InferenceRequest.parse_obj(PLAIN) == InferenceRequest.parse_raw(request.json()) == request


def test_a_response_is_made_of_a_dict():
    response = InferenceResponse(model_name="m", outputs=PLAIN["inputs"])

    assert response.outputs[0].data.root == [1, 2]


@pytest.mark.parametrize("data", [TensorData([1]), TensorData(root=[1]), TensorData(__root__=[1]), [1], np.array([1])])
def test_data_is_made_in_every_way(data):
    tensor = RequestInput(name="x", shape=(1,), datatype="INT64", data=data)

    assert tensor.shape == [1]
    assert isinstance(tensor.data, TensorData)
    assert list(tensor.data.root) == list(tensor.data.__root__) == [1]


def test_other_messages_have_their_members():
    assert InferenceErrorResponse.parse_raw('{"error": "e"}').error == "e"
    assert RepositoryIndexRequest(ready=True).dict() == {"ready": True}
    assert MetadataModelResponse(name="m", platform="").inputs == []
    index = RepositoryIndexResponse.parse_obj([{"name": "m", "state": "READY", "reason": ""}])
    assert [item.name for item in index] == [index[0].name] == ["m"]
    assert index[0].state == State.READY
    assert len(index) == 1
    assert index.dict() == [{"name": "m", "state": "READY", "reason": ""}]
