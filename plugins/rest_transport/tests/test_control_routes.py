"""Health, metadata and the repository over real sockets; and what holds for every route."""

from __future__ import annotations

import json

import pytest
from mlcore import MLModel, ModelSettings

VERSIONED = "/v2/models/versioned/versions/v1"


class Silent(MLModel):
    """Says nothing."""


class Broken(MLModel):
    """Is never ready."""

    def load(self) -> bool:
        return False


class Fragile(MLModel):
    """Loads once."""

    def load(self) -> None:
        loads = self.settings.parameters.extra
        loads["count"] = loads.get("count", 0) + 1
        if loads["count"] > 1:
            raise OSError("the disk is full")


def settings(name, kind=Silent, **parameters):
    return ModelSettings(name=name, implementation=kind, parameters=parameters)


@pytest.fixture(scope="module")
def changing(serving_of):
    """Return a server with two versions of a model, and one that cannot be loaded."""
    with serving_of(
        settings("versioned", version="v1"), settings("versioned", version="v2"), settings("broken", Broken)
    ) as serving:
        yield serving


def test_the_server_says_what_it_is(rest):
    for path in ("/v2", "/v2/"):
        answer = rest.get(path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        assert answer.json()["name"] == "mlcore"
        assert {"binary_tensor_data", "model_repository"} <= set(answer.json()["extensions"])


def test_health_is_told_in_status_and_body(rest):
    assert (rest.get("/v2/health/live").status, rest.get("/v2/health/live").json()) == (200, {"live": True})
    assert (rest.get("/v2/health/ready").status, rest.get("/v2/health/ready").json()) == (200, {"ready": True})


def test_a_server_whose_model_is_not_ready_is_not_ready(changing):
    answer = changing.get("/v2/health/ready")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert "1 of its models are not ready" in answer.json()["error"]
    assert changing.get("/v2/health/live").status == 200


def test_a_model_says_whether_it_is_ready(changing):
    for path in ("/v2/models/versioned", VERSIONED):
        answer = changing.get(f"{path}/ready")
        assert (answer.status, answer.json()) == (200, {"name": "versioned", "ready": True})
    not_ready = changing.get("/v2/models/broken/ready")
    assert (not_ready.status, not_ready.headers["Retry-After"]) == (503, "1")
    assert changing.get("/v2/models/nope/ready").status == 404
    assert changing.get("/v2/models/versioned/versions/v9/ready").status == 404


def test_a_model_that_is_not_ready_is_503_on_every_route(changing):
    for method, path in (("GET", ""), ("GET", "/ready"), ("POST", "/infer"), ("POST", "/generate"), ("GET", "/docs")):
        body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]} if method == "POST" else None
        answer = changing.request(method, f"/v2/models/broken{path}", body)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert list(answer.json()) == ["error"]


def test_the_models_are_listed(rest):
    assert rest.get("/v2/models").json() == {"models": ["declared", "echo", "failing", "headers", "memory"]}


def test_a_model_says_what_it_takes(rest):
    assert rest.get("/v2/models/declared").json() == {
        "name": "declared",
        "versions": [],
        "platform": "",
        "inputs": [
            {"name": "words", "datatype": "BYTES", "shape": [-1, 1], "parameters": {"content_type": "str"}},
            {"name": "numbers", "datatype": "FP32", "shape": [-1, 3]},
        ],
        "outputs": [
            {"name": "words", "datatype": "BYTES", "shape": [-1, 1]},
            {"name": "numbers", "datatype": "FP32", "shape": [-1, 3]},
        ],
        "parameters": {},
    }


@pytest.mark.parametrize(
    "path",
    [
        "/v2/",
        "/v2/health/live/",
        "/v2/health/ready/",
        "/v2/models/",
        "/v2/models/echo/",
        "/v2/models/echo/ready/",
        "/v2/models/%65cho",
        "/v2/docs/dataplane.json/",
    ],
)
def test_a_slash_at_the_end_and_percent_encoding_change_nothing(rest, path):
    plain = path.rstrip("/").replace("%65", "e")

    assert rest.get(path).body == rest.get(plain).body
    assert rest.get(path).status == 200


@pytest.mark.parametrize("path", ["/v2", "/v2/health/live", "/v2/models/echo", "/v2/docs", "/v2/docs/static/page.js"])
def test_head_answers_like_get_without_the_body(rest, path):
    got, head = rest.get(path), rest.request("HEAD", path)

    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == got.headers[name]
    assert rest.request("HEAD", "/v2/nowhere").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/models/echo",
        "/v2/nowhere",
        "/v2/health",
        "/v2/models/nope",
        "/v2/models/echo/versions",
        "/v2/models/echo/versions/1",
        "/v2/models/echo/nowhere",
        "/v2/models/echo/config",
        "/v2/models/echo/stats",
        "/v2/repository",
        "/v2/repository/models/echo",
        "//v2",
        "/v2//models",
        "/v2/models//ready",
        "/v2/models/x/../echo",
        "/v2/models/%2e%2e",
        "/v2/models/..%2Fecho",
        "/v2%2Fmodels",
        "/v2/models/echo%00",
        "/v2/models/echo%0a",
        "/v2/models/%ff",
        "/v2/models/echo;x=1",
        "/v2/docs/static/",
        "/v2/docs/static/../page.js",
        "/V2/models",
        "/v2/models/" + "x" * 8_000,
    ],
)
def test_no_other_path_is_there(rest, path):
    answer = rest.get(path)

    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/json")
    assert list(answer.json()) == ["error"]
    assert len(answer.body) < 250


ROUTES = {
    "/v2": "GET, HEAD, OPTIONS",
    "/v2/health/live": "GET, HEAD, OPTIONS",
    "/v2/health/ready": "GET, HEAD, OPTIONS",
    "/v2/models": "GET, HEAD, OPTIONS",
    "/v2/models/echo": "GET, HEAD, OPTIONS",
    "/v2/models/echo/ready": "GET, HEAD, OPTIONS",
    "/v2/models/echo/versions/1": "GET, HEAD, OPTIONS",
    "/v2/models/echo/docs": "GET, HEAD, OPTIONS",
    "/v2/docs/dataplane.json": "GET, HEAD, OPTIONS",
    "/v2/repository/index": "OPTIONS, POST",
    "/v2/repository/models/echo/load": "OPTIONS, POST",
    "/v2/repository/models/echo/unload": "OPTIONS, POST",
    "/v2/repository/models/echo/versions/1/load": "OPTIONS, POST",
    "/v2/repository/models/echo/versions/1/unload": "OPTIONS, POST",
}


@pytest.mark.parametrize("path", ROUTES)
def test_every_other_method_is_405_with_the_ones_that_are_taken(rest, path):
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"} - set(ROUTES[path].split(", ")):
        answer = rest.request(method, path, b"{}" if method == "POST" else None)
        assert (answer.status, answer.headers["Allow"]) == (405, ROUTES[path])
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json() == {"error": f"{path} takes {ROUTES[path]}, not {method}"}


def test_the_index_has_every_model_with_its_state(changing):
    expected = [
        {
            "name": "broken",
            "state": "UNAVAILABLE",
            "reason": "load() returned False: the model says that it is not ready",
        },
        {"name": "versioned", "version": "v1", "state": "READY", "reason": ""},
        {"name": "versioned", "version": "v2", "state": "READY", "reason": ""},
    ]
    for body in (b"", b"{}", b" \n", b'{"ready": false}', b'{"repository_name": "x"}'):
        assert changing.post("/v2/repository/index", body).json() == expected
    assert changing.post("/v2/repository/index", {"ready": True}).json() == expected[1:]


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b'"x"', b"{", b"\xff", b'{"ready": 1}', b'{"ready": "yes"}', b"[" * 100_000, b'{"a":' * 100_000],
)
def test_an_index_request_that_is_none_is_400(rest, body):
    answer = rest.post("/v2/repository/index", body)

    assert answer.status == 400
    assert answer.json()["error"].startswith('the body: expected {} or {"ready": true}')


def test_models_are_unloaded_and_loaded(changing):
    for name in ("versioned", "versioned/"):
        unloaded = changing.post(f"/v2/repository/models/{name.rstrip('/')}/unload")
        assert (unloaded.status, unloaded.body) == (200, b"")
        assert changing.get(f"{VERSIONED}/ready").status == 404
        loaded = changing.post("/v2/repository/models/versioned/load/")
        assert (loaded.status, loaded.body) == (200, b"")
        assert changing.get(f"{VERSIONED}/ready").status == 200


def test_one_version_is_unloaded_and_loaded(changing):
    model = "/v2/repository/models/versioned"

    def ready():
        index = changing.post("/v2/repository/index", {"ready": True}).json()
        return [item["version"] for item in index]

    for unload, load in (
        ((f"{model}/versions/v2/unload", None), (f"{model}/versions/v2/load", None)),
        ((f"{model}/unload", "v2"), (f"{model}/load", "v2")),
        ((f"{model}/versions/v2/unload", "v2"), (f"{model}/versions/v2/load/", "v2")),
    ):
        for (path, version), expected in ((unload, ["v1"]), (load, ["v1", "v2"])):
            body = None if version is None else {"parameters": {"version": version}}
            assert changing.post(path, body).status == 200
            assert ready() == expected
    for path in (f"{model}/versions/v9/load", f"{model}/versions/v9/unload"):
        assert changing.post(path).status == 404
    assert ready() == ["v1", "v2"]


@pytest.mark.parametrize(
    ("path", "version", "text"),
    [
        ("versioned/versions/v1/unload", "v2", "parameters.version: the path says version 'v1', and this 'v2'"),
        ("versioned/unload", 2, "parameters.version: expected text"),
        ("versioned/unload", "", "version: expected 1 to 255 characters, got ''"),
        ("versioned/versions/../unload", None, "version: expected printable text"),
        ("../load", None, "name: expected printable text"),
        ("%0a/load", None, "name: expected printable text"),
    ],
)
def test_a_name_or_version_that_no_model_can_have_is_400(changing, path, version, text):
    answer = changing.post(f"/v2/repository/models/{path}", {"parameters": {"version": version}})

    assert answer.status == 400
    assert answer.json()["error"].startswith(text)


def test_a_load_that_fails_says_why(changing, serve):
    answer = changing.post("/v2/repository/models/broken/load")

    assert answer.status == 409
    assert "load() returned False" in answer.json()["error"]
    assert changing.post("/v2/repository/models/nope/load").status == 404
    assert changing.post("/v2/repository/models/nope/unload").status == 404


def test_a_model_goes_on_when_it_cannot_be_loaded_again(serve):
    serving = serve(settings("fragile", Fragile, extra={}))
    answer = serving.post("/v2/repository/models/fragile/load")

    assert answer.status == 409
    assert serving.get("/v2/models/fragile/ready").status == 200
    assert "the disk is full" in serving.post("/v2/repository/index").json()[0]["reason"]


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_parameters_that_change_nothing_are_taken(changing, verb):
    body = {"parameters": {"unload_dependents": False}}

    assert changing.post(f"/v2/repository/models/versioned/{verb}", body).status == 200
    assert changing.post("/v2/repository/models/versioned/load", b"{}").status == 200


@pytest.mark.parametrize("parameter", ["config", "file:1/model.onnx"])
def test_a_model_that_would_come_with_the_request_is_refused(changing, parameter):
    answer = changing.post("/v2/repository/models/versioned/load", {"parameters": {parameter: "{}"}})

    assert answer.status == 400
    assert answer.json()["error"].startswith(f"parameters.{parameter}: ")


@pytest.mark.parametrize("body", [b"x", b"[]", b'{"parameters": 1}', b"\xff"])
def test_a_load_request_that_is_none_is_400(changing, body):
    for verb in ("load", "unload"):
        assert changing.post(f"/v2/repository/models/versioned/{verb}", body).status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=0-3"},
        {"If-Match": '"x"', "If-Modified-Since": "Sun, 06 Nov 2094 08:49:37 GMT"},
        {"Accept": "image/png"},
        {"Cookie": "; ".join(f"name{number}=value" for number in range(300))},
        {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Prefix": "/evil", "X-Forwarded-Proto": "https"},
        {"X-HTTP-Method-Override": "DELETE"},
    ],
)
def test_headers_that_mean_nothing_here_change_nothing(rest, headers):
    assert rest.get("/v2/models/echo", headers).body == rest.get("/v2/models/echo").body
    assert rest.get("/v2/models/echo/docs", headers).body == rest.get("/v2/models/echo/docs").body


def test_an_error_nobody_foresaw_is_told_by_its_id_only(serve, monkeypatch, caplog):
    serving = serve()
    monkeypatch.setattr(serving.server.control, "models", lambda: 1 // 0)
    answer = serving.get("/v2/models")
    error = answer.json()["error"]

    assert answer.status == 500
    assert "error id" in error
    assert "ZeroDivisionError" not in error
    assert error.split()[-1] in {getattr(record, "error_id", "") for record in caplog.records}


def test_the_environment_cannot_switch_debugging_answers_on(serve, monkeypatch):
    monkeypatch.setenv("LITESTAR_DEBUG", "1")
    serving = serve()
    monkeypatch.setattr(serving.server.control, "models", lambda: 1 // 0)

    assert list(serving.get("/v2/models").json()) == ["error"]


def test_a_body_of_a_get_request_is_ignored(rest):
    assert rest.request("GET", "/v2/models/echo", json.dumps({"x": 1}).encode()).status == 200
