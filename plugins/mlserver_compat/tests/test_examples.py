"""The example folders of MLServer's documentation, told anew, with the imports and settings that they have there.

One server holds them all, in a worker.
"""

import json
import shutil
import time
import urllib.request
from pathlib import Path

import grpc
import numpy as np
import pytest
from mlcore.testing import start_server
from mlserver.codecs import NumpyCodec, NumpyRequestCodec, PandasCodec, StringCodec
from mlserver.grpc import dataplane_pb2, dataplane_pb2_grpc, model_repository_pb2, model_repository_pb2_grpc
from mlserver.grpc.converters import (
    ModelInferRequestConverter,
    ModelInferResponseConverter,
    ModelMetadataResponseConverter,
    RepositoryIndexResponseConverter,
    ServerMetadataResponseConverter,
)
from mlserver.types import InferenceRequest, InferenceResponse, RequestOutput

EXAMPLES = Path(__file__).parent / "examples"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    import joblib
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("examples") / "models"
    shutil.copytree(EXAMPLES, folder)
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    for model, labels in (("first", [0, 0, 1, 1]), ("second", [0, 1, 0, 1])):
        joblib.dump(LogisticRegression(C=1e6).fit(corners, labels), folder / "multi-model" / model / "model.joblib")
    running = start_server(folder, env={"MLCORE_PARALLEL_WORKERS": "1"})
    yield running
    running.stop()


def asked(running, model, request, route="infer"):
    """Send a request as client scripts do, and return the response."""
    answer = running.post(f"/v2/models/{model}/{route}", request.dict())
    assert answer.status == 200, answer.body
    return InferenceResponse.parse_raw(answer.body)


def test_every_example_is_ready(running):
    assert running.get("/v2/health/ready").status == 200


def test_a_custom_model_finds_its_artefact_and_decodes_its_inputs(running):
    request = InferenceRequest(
        inputs=[
            NumpyCodec.encode_input(name="marriage", payload=np.array([28.0])),
            NumpyCodec.encode_input(name="age", payload=np.array([29.0])),
        ]
    )

    response = asked(running, "linear-regression", request)

    assert response.model_version == "v0.1.0"
    assert NumpyCodec.decode_output(response.outputs[0]).tolist() == [[27.5]]


def test_the_error_of_a_custom_model_is_the_clients(running):
    answer = running.infer("linear-regression", NumpyCodec.encode_input("age", np.array([1.0])).model_dump())

    assert (answer.status, answer.json()) == (400, {"error": "expected the inputs 'marriage' and 'age'"})


def test_a_model_reads_json_from_a_text(running):
    request = InferenceRequest(inputs=[StringCodec.encode_input("request", ['{"name": "Ada"}'], use_bytes=False)])

    response = asked(running, "json-hello-world", request)

    assert json.loads(StringCodec.decode_output(response.outputs[0])[0])["request"] == {"request": {"name": "Ada"}}


def test_a_codec_that_a_model_registers_is_found_by_its_type_hint(running):
    answer = running.infer(
        "json-echo", {"name": "document", "shape": [1], "datatype": "BYTES", "data": ['{"name": "Ada"}']}
    )

    assert answer.status == 200, answer.body
    output = answer.json()["outputs"][0]
    assert output["parameters"] == {"content_type": "json"}
    assert json.loads(output["data"][0]) == {"got": {"name": "Ada"}}


def test_a_codec_that_a_model_registers_is_found_by_its_content_type(running):
    answer = running.infer(
        "json-keys",
        {
            "name": "document",
            "shape": [1],
            "datatype": "BYTES",
            "parameters": {"content_type": "json"},
            "data": ['{"b": 1, "a": 2}'],
        },
    )

    assert answer.status == 200, answer.body
    assert json.loads(answer.json()["outputs"][0]["data"][0]) == {"keys": ["a", "b"]}


def test_inputs_are_decoded_by_their_content_type_or_that_of_the_metadata(running):
    answer = running.infer(
        "content-type-example",
        {
            "name": "parameters-np",
            "datatype": "INT32",
            "shape": [2, 2],
            "data": [1, 2, 3, 4],
            "parameters": {"content_type": "np"},
        },
        {"name": "metadata-np", "datatype": "INT32", "shape": [2, 2], "data": [1, 2, 3, 4]},
        {"name": "metadata-str", "datatype": "BYTES", "shape": [1], "data": ["hello"]},
        {"name": "plain", "datatype": "BYTES", "shape": [1], "data": ["hello"]},
    )

    decoded = [output["parameters"]["decoded"] for output in answer.json()["outputs"]]
    assert decoded == ["ndarray", "ndarray", "list", "TensorData"]


@pytest.mark.parametrize("content_type", ["np", "pd"])
def test_a_whole_request_is_decoded_by_its_content_type(running, content_type):
    answer = running.infer(
        "whole-request",
        {"name": "x", "datatype": "FP32", "shape": [2, 1], "data": [1.0, 2.0]},
        parameters={"content_type": content_type},
    )

    assert answer.status == 200, answer.body
    assert answer.json()["parameters"]["content_type"] == content_type
    assert answer.json()["outputs"][0]["data"] == [1.0, 2.0]


def test_an_output_is_encoded_by_what_the_metadata_say(running):
    request = NumpyRequestCodec.encode_request(np.array([[1.5], [2.0]]))
    request.outputs = [RequestOutput(name="doubled")]

    response = asked(running, "doubled", request)

    assert NumpyRequestCodec.decode_response(response).tolist() == [[3.0], [4.0]]


@pytest.mark.parametrize("route", ["infer_stream", "generate_stream"])
def test_a_stream_answers_word_by_word(running, route):
    request = InferenceRequest(inputs=[StringCodec.encode_input("prompt", ["What is the capital"], use_bytes=False)])

    answer = running.post(f"/v2/models/text-model/{route}", request.model_dump())

    events = [line.removeprefix("data: ") for line in answer.body.decode().splitlines() if line]
    responses = [InferenceResponse.model_validate_json(event) for event in events]
    words = [StringCodec.decode_output(response.outputs[0])[0] for response in responses]
    assert words == ["What", "is", "the", "capital"]


def test_a_stream_model_answers_at_once_too(running):
    request = InferenceRequest(inputs=[StringCodec.encode_input("prompt", ["What is"], use_bytes=False)])

    response = asked(running, "text-model", request, "generate")

    assert StringCodec.decode_output(response.outputs[0]) == ["What", "is"]


def test_what_a_model_logs_is_among_the_metrics(running):
    asked(running, "custom-metrics", NumpyRequestCodec.encode_request(np.array([1])))

    shown = ""
    deadline = time.monotonic() + 60
    while 'my_custom_metric_count{model="custom-metrics"' not in shown:  # a worker tells once a second
        assert time.monotonic() < deadline, shown
        time.sleep(0.05)
        with urllib.request.urlopen(f"{running.urls['metrics']}/metrics", timeout=60) as answer:
            shown = answer.read().decode()
    assert "# HELP my_custom_metric Tensors of a request." in shown


def test_typed_arguments_are_decoded_and_results_encoded(running):
    request = InferenceRequest(
        inputs=[
            NumpyCodec.encode_input("x", np.array([[1, 2], [3, 4]])),
            StringCodec.encode_input("words", ["a", "b"], use_bytes=False),
        ]
    )

    response = asked(running, "describe", request)

    assert [output.name for output in response.outputs] == ["output-0", "output-1"]
    assert NumpyCodec.decode_output(response.outputs[0]).tolist() == [[3], [7]]
    assert StringCodec.decode_output(response.outputs[1]) == ["A", "B"]


def test_a_table_goes_in_and_out(running):
    import pandas as pd

    response = asked(running, "rooms", PandasCodec.encode_request(pd.DataFrame({"rooms": [2, 3]}), use_bytes=False))

    assert PandasCodec.decode_response(response).to_dict("list") == {"rooms": [2, 3], "price": [2000, 3000]}


@pytest.mark.parametrize(("version", "expected"), [("v0.1.0", [0, 1]), ("v0.2.0", [1, 0])])
def test_versions_of_a_model_answer_side_by_side(running, version, expected):
    request = NumpyRequestCodec.encode_request(np.array([[0.0, 1.0], [1.0, 0.0]]))

    answer = running.post(f"/v2/models/mnist-svm/versions/{version}/infer", request.dict())

    assert answer.json()["outputs"][0]["data"] == expected


def test_a_model_of_the_repository_is_unloaded_and_loaded(running):
    assert running.post("/v2/repository/models/doubled/unload").status == 200
    assert running.get("/v2/models/doubled/ready").status != 200

    assert running.post("/v2/repository/models/doubled/load").status == 200
    assert running.get("/v2/models/doubled/ready").status == 200


@pytest.mark.parametrize("prefix", ["", "/v2/models/custom-handlers"])
def test_methods_of_a_model_answer_under_paths_of_their_own(running, prefix):
    total = running.post(f"{prefix}/my-custom-endpoint", [1.5, 2.0])
    who = running.get(f"{prefix}/who-is-it")

    assert (total.status, total.json()) == (200, 3.5)
    assert who.status == 200
    assert b"custom-handlers" in who.body


# --- gRPC ---


@pytest.fixture
def stub(running):
    with grpc.insecure_channel(running.urls["grpc"].removeprefix("grpc://")) as channel:
        yield dataplane_pb2_grpc.GRPCInferenceServiceStub(channel)


@pytest.mark.parametrize("use_raw", [False, True])
def test_a_client_of_grpc_asks_a_model(stub, use_raw):
    request = InferenceRequest(
        id="g-1",
        parameters={"scale": 2.0, "content_type": "np"},
        inputs=[NumpyCodec.encode_input("x", np.array([[1.5], [2.0]])), StringCodec.encode_input("w", ["é", ""])],
        outputs=[RequestOutput(name="doubled", parameters={"content_type": "np"})],
    )
    message = ModelInferRequestConverter.from_types(request, model_name="doubled", use_raw=use_raw)

    assert len(message.raw_input_contents) == (2 if use_raw else 0)
    assert ModelInferRequestConverter.to_types(message).inputs[0].data == request.inputs[0].data
    response = ModelInferResponseConverter.to_types(stub.ModelInfer(message))

    assert (response.model_name, response.id, response.model_version) == ("doubled", "g-1", None)
    assert NumpyCodec.decode_output(response.outputs[0]).tolist() == [[3.0], [4.0]]
    assert message.outputs[0].parameters["content_type"].string_param == "np"


def test_a_client_of_grpc_takes_a_stream_bare(stub):
    request = InferenceRequest(inputs=[StringCodec.encode_input("prompt", ["What is"], use_bytes=True)])
    message = ModelInferRequestConverter.from_types(request, model_name="text-model")

    answers = [ModelInferResponseConverter.to_types(answer) for answer in stub.ModelStreamInfer(iter([message]))]

    assert [StringCodec.decode_output(answer.outputs[0]) for answer in answers] == [["What"], ["is"]]


def test_the_answers_of_a_stream_are_read_in_both_forms():
    bare = dataplane_pb2.ModelInferResponse(model_name="m", id="1")
    wrapped = dataplane_pb2.ModelStreamInferResponse(infer_response=bare)
    failed = dataplane_pb2.ModelStreamInferResponse(error_message="no")

    assert dataplane_pb2_grpc._streamed(bare.SerializeToString()) == bare
    assert dataplane_pb2_grpc._streamed(wrapped.SerializeToString()) == bare
    with pytest.raises(RuntimeError, match="no"):
        dataplane_pb2_grpc._streamed(failed.SerializeToString())


def test_a_client_of_grpc_asks_for_metadata_and_the_index(running, stub):
    model = stub.ModelMetadata(dataplane_pb2.ModelMetadataRequest(name="doubled"))
    server = stub.ServerMetadata(dataplane_pb2.ServerMetadataRequest())
    index = stub.RepositoryIndex(dataplane_pb2.RepositoryIndexRequest())
    with grpc.insecure_channel(running.urls["grpc"].removeprefix("grpc://")) as channel:
        older = model_repository_pb2_grpc.ModelRepositoryServiceStub(channel)
        old_index = older.RepositoryIndex(model_repository_pb2.RepositoryIndexRequest())

    assert ModelMetadataResponseConverter.to_types(model).outputs[0].name == "doubled"
    assert ServerMetadataResponseConverter.to_types(server).name == "examples"
    names = {item.name for item in RepositoryIndexResponseConverter.to_types(index)}
    assert "text-model" in names
    assert {item.name for item in old_index.models} == names


@pytest.mark.parametrize("module", [dataplane_pb2, model_repository_pb2])
def test_messages_that_there_are_not_are_no_attributes(module):
    assert "RepositoryIndexRequest" in dir(module)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        module.Nothing  # noqa: B018
