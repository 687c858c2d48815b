"""Who is let in: every route and method, asked without a key, with a wrong one, and with each scope."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time
import urllib.error
import urllib.request
from hashlib import sha256
from urllib.parse import urlsplit

import grpc
import pytest
from google.protobuf import descriptor_pb2
from many import MODEL
from mlcore.access.scopes import NAMES, Scopes
from mlcore.testing import start_server
from mlcore_protocol.protobuf.grpc.health.v1 import HealthCheckRequest
from mlcore_protocol.protobuf.grpc.reflection import v1
from mlcore_protocol.protobuf.inference import (
    ModelInferResponse,
    ModelReadyRequest,
    ModelStreamInferResponse,
)
from standing import Standing, control_answer

from .asking import message_of

PATIENCE_S = 30
SERVICE = "/inference.GRPCInferenceService"
SCOPES = [*NAMES, "infer:absent"]
WRONG = "mlcore_not-a-key-of-this-server"
SAME = {"name": "same", "datatype": "BYTES", "shape": [1], "data": ["x"]}
HANDLED = '''
from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.handlers import custom_handler
from mlcore.types import InferenceResponse


class Handled(MLModel):
    """Shows which headers reach it."""

    def predict(self, payload):
        names = sorted(payload.parameters["headers"])
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("names", names)])

    @custom_handler(rest_path="/own/{word}", rest_method="GET")
    def own(self, word: str) -> str:
        return word
'''

OTHER = HANDLED.replace("Handled", "Other").replace('"GET"', '"POST"')

# What each path of the OpenAPI document needs, and the model that is asked; a path that is not here fails the test.
ROUTES = {
    "/v2": ("metadata", None),
    "/v2/health/live": ("health", None),
    "/v2/health/ready": ("health", None),
    "/v2/models": ("metadata", None),
    "/v2/models/{model_name}": ("metadata", None),
    "/v2/models/{model_name}/ready": ("ready", "absent"),
    **{
        f"/v2/models/{{model_name}}/{verb}": ("infer", "absent")
        for verb in ("infer", "infer_stream", "generate", "generate_stream")
    },
    "/v2/repository/index": ("repository", None),
    "/v2/repository/models/{model_name}/load": ("repository", None),
    "/v2/repository/models/{model_name}/unload": ("repository", None),
    "/own/{word}": ("infer", "handled"),
    "/v2/models/handled/own/{word}": ("infer", "handled"),
    "/v2/models/other/own/{word}": ("infer", "other"),
}
METHODS = {
    "ServerLive": ("health", None),
    "ServerReady": ("health", None),
    "ModelReady": ("ready", "absent"),
    "ServerMetadata": ("metadata", None),
    "ModelMetadata": ("metadata", None),
    "ModelInfer": ("infer", "absent"),
    "ModelStreamInfer": ("infer", "absent"),
    "RepositoryIndex": ("repository", None),
    "RepositoryModelLoad": ("repository", None),
    "RepositoryModelUnload": ("repository", None),
    "Check": ("health", None),
    "Watch": ("health", None),
    "ServerReflectionInfo": ("metadata", None),
}
# A field 1 that says `absent`: the model's name, where a message has one.
ABSENT = b"\x0a\x06absent"


def key_of(scope):
    return f"key-of-{scope}"


def bearer(key):
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def entry(name, key, *scopes, **more):
    return {"name": name, "sha256": sha256(key.encode()).hexdigest(), "scopes": scopes, **more}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Return a server with a key for each scope, whose admin asks what the standing check asks."""
    folder = tmp_path_factory.mktemp("guarded")
    for name, source in (("many", MODEL), ("handled", HANDLED), ("other", OTHER)):
        (folder / name).mkdir()
        (folder / name / f"{name}_model.py").write_text(source)
        settings = {"name": name, "implementation": f"{name}_model.{name.title()}"}
        (folder / name / "model-settings.json").write_text(json.dumps(settings))
    keys = [entry(f"client-{scope}", key_of(scope), scope) for scope in SCOPES]
    keys.append(entry("client-infer", "the-next-key-of-infer", "infer"))
    keys += [entry(f"of-{name}", key_of(f"infer:{name}"), f"infer:{name}") for name in ("handled", "other")]
    keys.append(entry("often", "key-of-often", "infer", "metadata", rate=0.001))
    keys.append(entry("once", "key-of-once", "infer", concurrency=1))
    (folder / "settings.json").write_text(json.dumps({"auth": {"api_keys": keys}}))
    server = start_server(folder, "--parallel-workers", "0")
    plain = server.request

    def as_admin(method, path, body, headers=None):
        return plain(method, path, body, {**bearer(key_of("admin")), **(headers or {})})

    server.request = as_admin
    for _ in range(20):
        control_answer(server)
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def channel(guarded):
    with grpc.insecure_channel(guarded.urls["grpc"].removeprefix("grpc://")) as opened:
        yield opened


@pytest.fixture
def standing(guarded):
    stood = Standing(guarded)
    yield stood
    stood.check()


def ask(server, method, path, key=None, body=None, transport="rest", headers=None):
    """Ask over HTTP with this key and no other, and return status, headers and body."""
    url = server.urls[transport] + path
    lines = {"Content-Type": "application/json", **bearer(key), **(headers or {})}
    request = urllib.request.Request(url, body, lines, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def call(channel, path, key=None, message=b""):
    """Call a method of whatever kind, and return the code, the text and the trailers, or the first answer."""
    metadata = [("authorization", f"Bearer {key}")] if key is not None else []
    answers = channel.stream_stream(path)(iter([message]), metadata=metadata, timeout=PATIENCE_S)
    try:
        first = next(answers, None)
    except grpc.RpcError as error:
        return error.code().name, error.details(), dict(error.trailing_metadata() or ())
    answers.cancel()
    return "OK", first, {}


def expected(action, model, scope):
    return Scopes([scope]).allow(action, model)


# --- the matrix ---


def test_every_path_of_the_openapi_document_lets_in_whom_the_table_says(guarded):
    document = guarded.get("/v2/docs/dataplane.json").json()
    asked = [
        (path, method.upper())
        for path, known in document["paths"].items()
        for method in known
        if method != "parameters"
    ]
    assert len(asked) > 10
    for template, method in asked:
        plain = template.replace("/versions/{model_version}", "")
        action, model = ROUTES[plain]
        path = re.sub(r"\{word\}", "x", template.replace("{model_name}", "absent").replace("{model_version}", "1"))
        body = b"{}" if method == "POST" else None
        for key in (None, WRONG):
            status, headers, told = ask(guarded, method, path, key, body)
            assert (status == 401) == (action != "health"), (method, path, status)
            if status == 401:
                assert headers["www-authenticate"] == "Bearer"
                assert "Bearer" in json.loads(told)["error"]
        for scope in SCOPES:
            status, _, told = ask(guarded, method, path, key_of(scope), body)
            assert status != 401, (method, path, scope)
            assert (status != 403) == expected(action, model, scope), (method, path, scope, told)
            if status == 403:
                assert f"'client-{scope}' may not do this; it lacks the scope" in json.loads(told)["error"]


def methods_of(channel):
    """Return every method that the server's reflection names."""
    metadata = [("authorization", f"Bearer {key_of('admin')}")]

    def reflected(**asked):
        messages = iter([bytes(v1.ServerReflectionRequest(**asked))])
        path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        return v1.ServerReflectionResponse.parse(
            next(channel.stream_stream(path)(messages, metadata=metadata, timeout=PATIENCE_S))
        )

    found = []
    for service in reflected(list_services="*").list_services_response.service:
        files = reflected(file_containing_symbol=service.name).file_descriptor_response.file_descriptor_proto
        for body in files:
            file = descriptor_pb2.FileDescriptorProto.FromString(bytes(body))
            for defined in file.service:
                if f"{file.package}.{defined.name}" == service.name:
                    found += [f"/{service.name}/{method.name}" for method in defined.method]
    return found


def test_every_method_that_reflection_names_lets_in_whom_the_table_says(guarded, channel):
    paths = methods_of(channel)
    assert len(paths) > 15
    for path in paths:
        name = path.rpartition("/")[2]
        action, model = METHODS[name]
        message = b"" if action == "health" else ABSENT
        for key in (None, WRONG):
            code, _, trailers = call(channel, path, key, message)
            assert (code == "UNAUTHENTICATED") == (action != "health"), (path, code)
            assert trailers.get("www-authenticate") == (None if action == "health" else "Bearer")
        for scope in SCOPES:
            code, told, _ = call(channel, path, key_of(scope), message)
            assert code != "UNAUTHENTICATED", (path, scope)
            assert (code != "PERMISSION_DENIED") == expected(action, model, scope), (path, scope, told)


@pytest.mark.parametrize("path", ["/metrics", "/elsewhere"])
def test_the_metrics_are_for_the_scope_metrics(guarded, path):
    for key in (None, WRONG):
        status, headers, _ = ask(guarded, "GET", path, key, transport="metrics")
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
    for scope in SCOPES:
        status, _, _ = ask(guarded, "GET", path, key_of(scope), transport="metrics")
        assert (status != 403) == expected("metrics", None, scope)


# --- what strangers learn ---


@pytest.mark.parametrize(
    "path", ["/nope", "/v2/nope", "/v2/models/many", "/v2/models/nope", "/v2/models/nope/infer", "/v2/docs"]
)
def test_a_stranger_does_not_learn_what_there_is(guarded, standing, path):
    known = ask(guarded, "GET", "/v2")

    assert ask(guarded, "GET", path)[::2] == known[::2]
    assert ask(guarded, "GET", path, WRONG)[0] == 401
    assert ask(guarded, "POST", path, None, b"{}")[0] == 401


def test_a_stranger_does_not_learn_which_methods_there_are(guarded, channel, standing):
    assert call(channel, "/no.Service/Method")[0] == "UNAUTHENTICATED"
    assert call(channel, "/no.Service/Method", key_of("metadata"))[0] == "UNIMPLEMENTED"


def test_whoever_is_known_is_told_that_there_is_no_such_path(guarded):
    assert ask(guarded, "GET", "/nope", key_of("metadata"))[0] == 404


def test_both_keys_of_a_client_that_changes_it_are_let_in(guarded):
    body = json.dumps({"inputs": [SAME]}).encode()

    for key in (key_of("infer"), "the-next-key-of-infer"):
        assert ask(guarded, "POST", "/v2/models/many/infer", key, body)[0] == 200


def test_a_refusal_comes_before_the_body_which_is_not_read(guarded, standing):
    place = urlsplit(guarded.url)
    with socket.create_connection((place.hostname, place.port), PATIENCE_S) as client:
        client.sendall(
            b"POST /v2/models/many/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n"
            b"Content-Type: application/json\r\n\r\n{"
        )
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert (answer.status, answer.headers["connection"]) == (401, "close")


def test_health_is_open_only_without_a_body(guarded):
    assert ask(guarded, "GET", "/v2/health/live", None, b"x" * 1000)[0] == 401
    assert ask(guarded, "HEAD", "/v2/health/ready")[0] == 200
    assert ask(guarded, "POST", "/v2/health/ready", None, b"{}")[0] == 401


def test_two_keys_in_one_request_are_none(guarded):
    place = urlsplit(guarded.url)
    with contextlib.closing(http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE_S)) as client:
        client.putrequest("GET", "/v2")
        client.putheader("Authorization", f"Bearer {key_of('admin')}")
        client.putheader("Authorization", f"Bearer {WRONG}")
        client.endheaders()
        assert client.getresponse().status == 401


def test_a_model_that_the_message_names_is_checked_too(channel, standing):
    code, told, _ = call(channel, f"{SERVICE}/ModelInfer", key_of("infer:absent"), b"\x0a\x04many")
    assert (code, "infer or infer:many" in told) == ("PERMISSION_DENIED", True)

    code, answer, _ = call(channel, f"{SERVICE}/ModelStreamInfer", key_of("infer:absent"), b"\x0a\x04many")
    assert code == "OK"
    assert "lacks the scope infer or infer:many" in ModelStreamInferResponse.parse(answer).error_message

    ready = bytes(ModelReadyRequest(name="many"))
    assert call(channel, f"{SERVICE}/ModelReady", key_of("infer:absent"), ready)[0] == "PERMISSION_DENIED"
    assert call(channel, f"{SERVICE}/ModelReady", key_of("infer"), ready)[0] == "OK"


@pytest.mark.parametrize("method", ["Check", "Watch"])
def test_the_health_of_a_model_is_for_whom_may_know_of_it(channel, standing, method):
    path = f"/grpc.health.v1.Health/{method}"
    asked = bytes(HealthCheckRequest(service="many"))

    assert call(channel, path, None, asked)[0] == "UNAUTHENTICATED"
    assert call(channel, path, key_of("metrics"), asked)[0] == "PERMISSION_DENIED"
    assert call(channel, path, key_of("metadata"), asked)[0] == "OK"


@pytest.mark.parametrize(("method", "model", "stranger"), [("GET", "handled", "other"), ("POST", "other", "handled")])
def test_a_path_of_two_models_lets_in_whom_the_method_is_for(guarded, standing, method, model, stranger):
    body = b"{}" if method == "POST" else None

    assert ask(guarded, method, "/own/x", key_of(f"infer:{model}"), body)[0] == 200
    assert ask(guarded, method, "/own/x", key_of(f"infer:{stranger}"), body)[0] == 403


def test_models_get_headers_but_no_credentials(guarded, channel, standing):
    body = json.dumps({"inputs": [SAME]}).encode()
    _, _, told = ask(guarded, "POST", "/v2/models/handled/infer", key_of("infer"), body, headers={"X-In": "1"})
    names = json.loads(told)["outputs"][0]["data"]
    assert "x-in" in names
    assert "authorization" not in names

    metadata = [("authorization", f"Bearer {key_of('infer')}"), ("x-in", "1")]
    answer = channel.unary_unary(f"{SERVICE}/ModelInfer")(
        bytes(message_of("handled", SAME)), metadata=metadata, timeout=PATIENCE_S
    )
    names = ModelInferResponse.parse(answer).outputs[0].contents.bytes_contents
    assert b"x-in" in names
    assert b"authorization" not in names


def test_no_key_stands_in_the_log(guarded):
    ask(guarded, "GET", "/v2", WRONG)

    assert not [line for line in guarded.log if "key-of-" in line or WRONG in line]


# --- the repository ---


@pytest.mark.parametrize("path", ["index", "models/many/load", "models/many/unload"])
def test_b100_the_repository_is_closed_to_strangers_and_to_those_who_may_only_infer(guarded, standing, path):
    path = f"/v2/repository/{path}"

    assert ask(guarded, "POST", path, None, b"{}")[0] == 401
    assert ask(guarded, "POST", path, key_of("infer"), b"{}")[0] == 403


@pytest.mark.parametrize("service", [SERVICE, "/inference.model_repository.ModelRepositoryService"])
@pytest.mark.parametrize("method", ["RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"])
def test_b100_the_repository_is_closed_over_grpc_too(channel, standing, service, method):
    message = b"\x12\x04many"

    assert call(channel, f"{service}/{method}", None, message)[0] == "UNAUTHENTICATED"
    assert call(channel, f"{service}/{method}", key_of("infer"), message)[0] == "PERMISSION_DENIED"


def test_the_scope_repository_loads_a_model_under_whatever_name_the_server_has(guarded):
    status, _, told = ask(
        guarded,
        "POST",
        "/v2/repository/models/many/load",
        key_of("repository"),
        b"{}",
        headers={"Host": "models.example"},
    )

    assert status == 200, told


def test_a_page_of_another_origin_loads_nothing_even_with_a_key(guarded, standing):
    headers = {"Origin": "https://elsewhere.example"}

    assert (
        ask(guarded, "POST", "/v2/repository/models/many/load", key_of("repository"), b"{}", headers=headers)[0] == 403
    )


# --- limits ---


def test_who_asks_too_often_is_told_when_to_come_again(guarded, channel, standing):
    body = json.dumps({"inputs": [SAME]}).encode()

    assert ask(guarded, "POST", "/v2/models/many/infer", "key-of-often", body)[0] == 200
    status, headers, told = ask(guarded, "POST", "/v2/models/many/infer", "key-of-often", body)
    assert status == 429
    assert 0 < int(headers["retry-after"]) <= 1000
    assert "'often' asks more often than its rate allows" in json.loads(told)["error"]
    code, _, trailers = call(channel, f"{SERVICE}/ModelInfer", "key-of-often", b"\x0a\x04many")
    assert code == "RESOURCE_EXHAUSTED"
    assert int(trailers["grpc-retry-pushback-ms"]) > 0
    assert ask(guarded, "GET", "/v2", "key-of-often")[0] == 200  # what asks no model is not counted


def test_a_place_is_free_again_however_a_request_ended(guarded, channel, standing):
    path = "/v2/models/many/infer"
    good = json.dumps({"inputs": [SAME]}).encode()
    for _ in range(2):
        assert ask(guarded, "POST", path, "key-of-once", good)[0] == 200
        assert ask(guarded, "POST", path, "key-of-once", b"not json")[0] == 400
        assert ask(guarded, "POST", "/v2/models/nope/infer", "key-of-once", b"{}")[0] == 404
        assert call(channel, f"{SERVICE}/ModelInfer", "key-of-once", ABSENT)[0] == "NOT_FOUND"
        assert call(channel, f"{SERVICE}/ModelInfer", "key-of-once", b"\xff")[0] == "INVALID_ARGUMENT"
    assert ask(guarded, "POST", path, "key-of-once", good)[0] == 200


@pytest.fixture
def held(guarded, tmp_path):
    """Let the one place of `once` be taken until the test ends."""
    place = urlsplit(guarded.url)
    slow = {"name": "slow", "datatype": "BYTES", "shape": [1], "data": [str(tmp_path)]}
    client = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE_S)
    headers = {"Content-Type": "application/json", **bearer("key-of-once")}
    client.request("POST", "/v2/models/many/infer", json.dumps({"inputs": [slow]}), headers)
    with contextlib.closing(client):
        yield tmp_path, client
        (tmp_path / "go").touch()
        assert client.getresponse().status == 200


def test_no_more_requests_are_under_way_than_allowed(guarded, channel, held):
    folder, _ = held
    end = time.monotonic() + PATIENCE_S
    while not (folder / "began").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    status, headers, told = ask(guarded, "POST", "/v2/models/many/infer", "key-of-once", b"{}")

    assert (status, headers["retry-after"]) == (429, "1")
    assert "'once' has 1 requests under way" in json.loads(told)["error"]
    assert call(channel, f"{SERVICE}/ModelInfer", "key-of-once", ABSENT)[0] == "RESOURCE_EXHAUSTED"
