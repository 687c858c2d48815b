"""What model classes call: their base class, the artefact, errors, metrics, the logger."""

import logging
from pathlib import Path

import mlserver
import pytest
from mlcore import MLModel as CoreModel
from mlcore import Server
from mlcore.errors import InferenceError as CoreInferenceError
from mlcore.errors import MLCoreError, NotFoundError
from mlcore_mlserver.missing_runtimes import MISSING
from mlserver import MLModel, ModelSettings
from mlserver.context import model_context
from mlserver.errors import (
    InferenceError,
    InvalidModelURI,
    MLServerError,
    ModelNotFound,
    ModelNotReady,
    ModelParametersMissing,
)
from mlserver.logging import get_logger, logger
from mlserver.metrics import InvalidModelContext, MetricNotFound
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import extract_headers, generate_uuid, get_model_uri, insert_headers


def settings_of(folder: Path, **parameters: str) -> ModelSettings:
    return ModelSettings(name="m", implementation=MLModel, parameters=parameters).located(folder)


async def test_the_methods_of_the_base_class_are_coroutines():
    model = MLModel(ModelSettings(name="m", implementation=MLModel, parameters={"version": "v1"}))

    assert await model.load() is True
    assert await model.unload() is True
    assert (await model.metadata()).name == "m"
    assert (model.name, model.version, model.ready) == ("m", "v1", False)
    assert isinstance(model, CoreModel)
    with pytest.raises(MLServerError, match="the model 'm' has no predict method"):
        await model.predict(InferenceRequest(inputs=[]))


async def test_a_stream_is_by_default_the_one_answer():
    class Once(MLModel):
        async def predict(self, payload):
            return InferenceResponse(model_name=self.name, outputs=[])

    async def payloads():
        yield InferenceRequest(inputs=[])

    model = Once(ModelSettings(name="m", implementation=Once))

    assert [answer.model_name async for answer in model.predict_stream(payloads())] == ["m"]


async def test_an_artefact_is_a_file_a_well_known_file_or_a_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.bin").touch()

    assert await get_model_uri(settings_of(tmp_path)) == str(tmp_path)
    assert await get_model_uri(settings_of(tmp_path, uri="./sub"), ["a.bin", "b.bin"]) == str(tmp_path / "sub/b.bin")
    assert await get_model_uri(settings_of(tmp_path, uri="sub/b.bin"), ["a.bin"]) == str(tmp_path / "sub/b.bin")
    assert await get_model_uri(settings_of(tmp_path, uri=f"file://{tmp_path}/sub")) == str(tmp_path / "sub")
    assert await get_model_uri(settings_of(tmp_path, uri="s3://bucket/m")) == "s3://bucket/m"
    with pytest.raises(InvalidModelURI, match="expected a file or folder that exists, got 'nowhere'"):
        await get_model_uri(settings_of(tmp_path, uri="nowhere"))


def test_headers_are_put_in_and_taken_out():
    request = insert_headers(InferenceRequest(inputs=[], parameters={"a": 1}), {"x": "y"})
    response = InferenceResponse(model_name="m", outputs=[], parameters={"headers": {"x": "y"}})

    assert request.parameters == {"a": 1, "headers": {"x": "y"}}
    assert extract_headers(response) == {"x": "y"}
    assert response.parameters == {}
    assert extract_headers(InferenceResponse(model_name="m", outputs=[])) is None
    assert len(generate_uuid()) == 36


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (MLServerError("bad"), 400, "bad"),
        (MLServerError("teapot", status_code=418), 418, "teapot"),
        (InferenceError("bad"), 400, "bad"),
        (
            InvalidModelURI("m"),
            422,
            "model 'm': parameters.uri: expected a file or folder that exists, got no URI at all",
        ),
        (ModelNotFound("m", "1"), 404, "Model m with version 1 not found"),
        (ModelNotReady("m"), 503, "Model m is not ready yet; try again later"),
        (ModelParametersMissing("m"), 400, "model 'm': parameters: missing in its model-settings.json"),
        (MetricNotFound("x"), 500, "there is no metric 'x'; make it with mlserver.register"),
    ],
)
def test_errors_carry_their_status(error, status, text):
    assert isinstance(error, MLServerError)
    assert isinstance(error, MLCoreError)
    assert (error.status_code, str(error)) == (status, text)


def test_errors_are_what_the_server_takes_them_for():
    assert isinstance(InferenceError("bad"), CoreInferenceError)
    assert isinstance(ModelNotFound("m"), NotFoundError)


def test_metrics_are_made_once_and_logged_in_a_model():
    first = mlserver.register("queue_of_tests", "Described.")

    assert mlserver.register("queue_of_tests", "Again.") is first
    with pytest.raises(InvalidModelContext, match="metric queue_of_tests: used outside of a model"):
        mlserver.log(queue_of_tests=1)
    with model_context(ModelSettings(name="m", implementation=MLModel)):
        mlserver.log(queue_of_tests=1, another_of_tests=2)


def test_the_logger_writes_where_the_server_does(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("mlcore"), "level", logging.INFO)
    logger.manager._clear_cache()

    logger.info("from a model")

    assert get_logger() is logger
    assert logger.parent.name == "mlcore"
    assert "from a model" in caplog.text


@pytest.mark.parametrize("package", MISSING)
async def test_a_runtime_that_is_not_there_is_named(tmp_path, package):
    (tmp_path / "model-settings.json").write_text(f'{{"name": "m", "implementation": "{package}.Model"}}')

    async with Server(tmp_path, transports=[], parallel_workers=0) as server:
        (item,) = server.control.index()

    assert item.reason == (
        f"implementation: '{package}.Model': mlcore has no runtime for {MISSING[package]} yet; load the model in a "
        "class of your own, of ten lines or so (docs/write-a-model.md), and name that class here"
    )


async def test_another_missing_module_is_left_to_others(tmp_path):
    (tmp_path / "model-settings.json").write_text('{"name": "m", "implementation": "nowhere.Model"}')

    async with Server(tmp_path, transports=[], parallel_workers=0) as server:
        (item,) = server.control.index()

    assert "there is no module 'nowhere'" in item.reason


def test_a_runtime_that_is_replaced_names_the_distribution(monkeypatch):
    from mlcore_mlserver.missing_runtimes import advice

    assert advice("mlserver_sklearn.SKLearnModel") == (
        "it is replaced by runtime-sklearn, which is not installed: pip install runtime-sklearn"
    )
