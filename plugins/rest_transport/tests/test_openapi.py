"""The OpenAPI document: valid, and true of every answer."""

from __future__ import annotations

import itertools

import pytest
from mlcore import MLModel, ModelSettings
from mlcore.handlers import custom_handler
from mlcore.settings import TensorSettings
from mlcore.types import InferenceRequest, InferenceResponse
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from pydantic import BaseModel

NUMBERS = {"name": "numbers", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}
WORDS = {"name": "words", "datatype": "BYTES", "shape": [1, 1], "data": ["a"]}
OTHER = {"name": "other", "datatype": "INT8", "shape": [0], "data": []}

DOCUMENTS = [
    "/v2/docs/dataplane.json",
    "/v2/models/declared/docs/dataplane.json",
    "/v2/models/echo/docs/dataplane.json",
]


def document_of(serving, model=None):
    return serving.get("/v2/docs/dataplane.json" if model is None else f"/v2/models/{model}/docs/dataplane.json").json()


def request_body(document, model):
    return document["paths"][f"/v2/models/{model}/infer"]["post"]["requestBody"]["content"]["application/json"]


def assert_true(document, path, method, answer):
    """Check an answer against what the document says of it."""
    operation = document["paths"][path][method]
    response = operation["responses"].get(str(answer.status)) or operation["responses"]["default"]
    if "content" not in response:
        assert answer.body == b""
        return
    media_type = answer.headers["Content-Type"].partition(";")[0]
    schema = response["content"][media_type]["schema"]
    if media_type == "text/event-stream":
        OAS30Validator(schema).validate(answer.body.decode())
        return
    OAS30Validator({**schema, "components": document["components"]}).validate(answer.json())


def is_valid(document, schema, value):
    return OAS30Validator({**schema, "components": document["components"]}).is_valid(value)


@pytest.mark.parametrize("path", [*DOCUMENTS, "/openapi.json"])
def test_the_document_is_valid_openapi(rest, path):
    answer = rest.get(path)
    document = answer.json()

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert list(OpenAPIV30SpecValidator(document).iter_errors()) == []
    assert document["openapi"] == "3.0.3"


@pytest.mark.parametrize("path", DOCUMENTS)
def test_operations_have_names_of_their_own_and_known_tags(rest, path):
    document = rest.get(path).json()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]

    assert len(set(names)) == len(names)
    assert {tag for operation in operations for tag in operation["tags"]} == {tag["name"] for tag in document["tags"]}


def test_every_path_of_the_document_is_there_and_takes_just_its_methods(serve):
    serving = serve()
    for path, methods in document_of(serving)["paths"].items():
        filled = path.format(model_name="echo", model_version="1")
        assert serving.request("PUT", filled).status == 405
        for method in methods:
            assert serving.request(method.upper(), filled).status in (200, 400, 404)


@pytest.mark.parametrize("model", ["echo", "nope"])
def test_every_answer_is_what_the_document_says(serve, model):
    serving = serve()
    document = document_of(serving)
    body = {"inputs": [NUMBERS, WORDS]}
    for path, methods in document["paths"].items():
        filled = path.format(model_name=model, model_version="1")
        for method in methods:
            answer = serving.request(method.upper(), filled, body if method == "post" else None)
            assert_true(document, path, method, answer)


@pytest.mark.parametrize("inputs", [[NUMBERS], [WORDS, NUMBERS], [OTHER], [NUMBERS, {**NUMBERS, "name": "again"}], []])
@pytest.mark.parametrize("model", ["echo", "declared"])
def test_answers_are_what_the_models_document_says_even_where_the_model_breaks_its_word(rest, model, inputs):
    answer = rest.post(f"/v2/models/{model}/infer", {"inputs": inputs})

    assert answer.status == (200 if inputs else 400)
    assert_true(document_of(rest, model), f"/v2/models/{model}/infer", "post", answer)


def test_a_models_document_tells_its_inputs_from_others(rest):
    document = document_of(rest, "declared")
    schema = document["paths"]["/v2/models/declared/infer"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]

    for inputs in ([NUMBERS], [WORDS], [NUMBERS, WORDS]):
        assert is_valid(document, schema, {"inputs": inputs})
    for inputs in ([], [OTHER], [{**NUMBERS, "datatype": "BYTES"}], [{"name": "numbers"}], NUMBERS):
        assert not is_valid(document, schema, {"inputs": inputs})
    assert is_valid(document, schema, {"inputs": [WORDS], "outputs": [{"name": "words"}]})
    assert not is_valid(document, schema, {"inputs": [WORDS], "outputs": [{"name": "other"}]})


def test_the_example_of_every_document_is_answered(rest):
    for path, model in (("{model_name}", "echo"), ("declared", "declared"), ("echo", "echo")):
        document = document_of(rest, None if path.startswith("{") else path)
        body = request_body(document, path)
        assert is_valid(document, body["schema"], body["example"])
        assert rest.post(f"/v2/models/{model}/infer", body["example"]).status == 200


def test_the_whole_documents_example_is_a_model_that_is_there(rest):
    parameters = document_of(rest)["paths"]["/v2/models/{model_name}"]["get"]["parameters"]

    assert parameters[0]["example"] in rest.get("/v2/models").json()["models"]


def test_the_server_is_named_only_where_a_proxy_has_a_prefix(rest, serve):
    prefixed = serve(root_path="/some/where")

    for model in (None, "echo"):
        assert "servers" not in document_of(rest, model)
        assert document_of(prefixed, model)["servers"] == [{"url": "/some/where"}]


def test_a_document_of_a_version_is_of_its_paths(serve):
    class Silent(MLModel):
        """Says nothing."""

    serving = serve(ModelSettings(name="a b{c}", implementation=Silent, parameters={"version": "v 1 ü"}))
    document = serving.get("/v2/models/a%20b%7Bc%7D/docs/dataplane.json").json()

    assert document["info"]["title"] == "Data Plane for Model a b{c}"
    assert list(OpenAPIV30SpecValidator(document).iter_errors()) == []
    assert all(serving.get(path).status in (200, 405) for path in document["paths"])
    version = serving.get("/v2/models/a%20b%7Bc%7D/versions/v%201%20%C3%BC/docs/dataplane.json").json()
    assert version["info"]["title"] == "Data Plane for Model a b{c} (v 1 ü)"
    assert all(path.startswith("/v2/models/a%20b%7Bc%7D/versions/v%201%20%C3%BC") for path in version["paths"])


class Decoding(MLModel):
    """Decodes its input, which fails where the input is wrong."""

    def predict(self, payload):
        self.decode(payload.inputs[0])
        return InferenceResponse(model_name=self.name, outputs=[])


def test_the_example_fits_what_a_model_declares(serve):
    numbers = ["BOOL", "UINT8", "INT64", "FP16", "BF16", "FP32", "FP64"]
    kinds = [*itertools.product(numbers, [[], [-1], [2, 0, -1]], [None]), ("", [], None)]
    kinds += [("BYTES", [-1, 1], "str"), ("BYTES", [-1], "base64"), ("BYTES", [2, 2], "datetime"), ("BYTES", [], "x")]
    models = []
    for number, (datatype, shape, content_type) in enumerate(kinds):
        parameters = {"content_type": content_type} if content_type else None
        declared = TensorSettings(name="x", datatype=datatype, shape=shape, parameters=parameters)
        models.append(ModelSettings(name=f"m{number}", implementation=Decoding, inputs=[declared]))
    serving = serve(*models)

    for model in models:
        document = document_of(serving, model.name)
        body = request_body(document, model.name)
        assert is_valid(document, body["schema"], body["example"])
        assert serving.post(f"/v2/models/{model.name}/infer", body["example"]).status == 200


def test_the_document_of_a_server_without_models_is_valid(serve):
    serving = serve(load_models_at_startup=False)
    document = document_of(serving)

    assert list(OpenAPIV30SpecValidator(document).iter_errors()) == []
    assert document["info"]["description"] == "The Open Inference Protocol V2."


class Item(BaseModel):
    name: str
    cost: float | None = None


class Handling(MLModel):
    """Has custom handlers."""

    @custom_handler(rest_path="/price")
    def price(self, item: Item) -> Item:
        """Say what it costs."""
        return item

    @custom_handler(rest_path="/again/{count}", rest_method="GET")
    @custom_handler(rest_path="/repeat/{count}", rest_method="GET")
    def repeat(self, count: int, text: str | None = None) -> list[str]:
        return [text or ""] * count

    @custom_handler(rest_path="/message")
    def message(self, request: InferenceRequest) -> InferenceResponse:
        return InferenceResponse(model_name=self.name, outputs=[])


@pytest.fixture(scope="module")
def handling(serving_of):
    """Return a server with two models that have the same schema under one name."""
    settings = [
        ModelSettings(name="a b", implementation=Handling),
        ModelSettings(name="declared", implementation=MLModel),
    ]
    with serving_of(*settings) as serving:
        yield serving


@pytest.mark.parametrize("path", ["/v2/docs/dataplane.json", "/v2/models/a%20b/docs/dataplane.json"])
def test_custom_handlers_are_in_the_document_which_stays_valid(handling, path):
    document = handling.get(path).json()

    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert document["openapi"] == "3.1.0"
    base = "" if path.startswith("/v2/docs") else "/v2/models/a%20b"
    price = document["paths"][f"{base}/price"]["post"]
    body = price["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = document["components"]["schemas"][body.rpartition("/")[2]]
    assert (body, sorted(schema["properties"])) == ("#/components/schemas/a.20b.Item", ["cost", "name"])
    assert price["summary"] == "Say what it costs."
    assert price["responses"]["400"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}
    parameters = document["paths"][f"{base}/repeat/{{count}}"]["get"]["parameters"]
    assert {parameter["name"]: parameter["in"] for parameter in parameters} == {"count": "path", "text": "query"}
    message = document["paths"][f"{base}/message"]["post"]
    assert message["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/InferenceRequest")


def test_a_model_without_handlers_has_a_document_without(handling):
    document = handling.get("/v2/models/declared/docs/dataplane.json").json()

    assert document["openapi"] == "3.0.3"
    assert [tag["name"] for tag in document["tags"]] == ["Inference", "Metadata", "Health"]
