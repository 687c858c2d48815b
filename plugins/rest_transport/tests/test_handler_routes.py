"""Which custom handlers there are: it follows what is loaded, from one request to the next."""

from __future__ import annotations

import pytest
from mlcore import MLModel, ModelSettings
from mlcore.handlers import custom_handler

MODEL = """
from mlcore import MLModel
from mlcore.handlers import custom_handler

class Model(MLModel):
    @custom_handler(rest_path={path!r}, rest_method={method!r})
    def handler(self) -> str:
        return {text!r}
"""


class First(MLModel):
    """Has a path with a parameter."""

    @custom_handler(rest_path="/items/{item_id}", rest_method="GET")
    def one_item(self, item_id: int) -> int:
        return item_id


class Second(MLModel):
    """Has a path that a request for the first one fits, too."""

    @custom_handler(rest_path="/items/all", rest_method="GET")
    def all_items(self) -> str:
        return "all"


class Versioned(MLModel):
    """Says its version."""

    @custom_handler(rest_path="/version", rest_method="GET")
    def which(self) -> str | None:
        return self.version


def wrong(path="/x", method="GET"):
    """Return a model whose handler has this path and HTTP method."""

    class Wrong(MLModel):
        @custom_handler(rest_path=path, rest_method=method)
        def handler(self) -> None:
            pass

    return Wrong


def with_argument(annotation):
    """Return a model whose handler has this argument."""

    class Wrong(MLModel):
        @custom_handler(rest_path="/x", rest_method="GET")
        def handler(self, argument) -> None:
            pass

        handler.__annotations__["argument"] = annotation

    return Wrong


def several_arguments():
    """Return a model whose handler takes any number of arguments."""

    class Wrong(MLModel):
        @custom_handler(rest_path="/x")
        def handler(self, *arguments: int) -> None:
            pass

    return Wrong


def given(kind, name=None, **parameters):
    return ModelSettings(name=name or kind.__name__.lower(), implementation=kind, parameters=parameters)


def reason_of(serving, name):
    return {item["name"]: item["reason"] for item in serving.post("/v2/repository/index").json()}[name]


def write(folder, name, path, method="GET", text="text"):
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "model.py").write_text(MODEL.format(path=path, method=method, text=text))
    (folder / name / "model-settings.json").write_text(f'{{"name": "{name}", "implementation": "model.Model"}}')


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (wrong("x"), "custom handler 'handler': rest_path: expected a path such as /explain"),
        (wrong("/a b"), "rest_path: expected a path"),
        (wrong("/a{b}"), "rest_path: expected a path"),
        (wrong(None), "rest_path: expected a path"),
        (wrong("/x", "FETCH"), "custom handler 'handler': rest_method: expected one of GET, POST"),
        (wrong("/v2"), "GET /v2 is a path of the server, /v2; change its rest_path"),
        (wrong("/v2/models/m/explain"), "is a path of the server, /v2/models/"),
        (wrong("/{anything}"), "GET /{anything} is a path of the server, /v2;"),
        (
            wrong("/x/{item_id}"),
            "GET /x/{item_id} has the parameter 'item_id', but the method has no argument",
        ),
        (with_argument(dict), "argument 'argument': a GET request has no body to read it from"),
        (with_argument("Unknown"), "its annotations cannot be read: NameError"),
        (several_arguments(), "argument 'arguments': it can only be an argument with a name of its own"),
    ],
)
def test_a_wrong_handler_is_an_error_that_names_it(serve, kind, told):
    serving = serve(given(kind, "wrong"))

    assert told in reason_of(serving, "wrong")


def test_a_path_of_another_model_is_an_error_that_names_both(serve, tmp_path):
    write(tmp_path, "one", "/shared")
    write(tmp_path, "two", "/own")
    serving = serve(folder=tmp_path)
    write(tmp_path, "two", "/shared")

    answer = serving.post("/v2/repository/models/two/load")

    assert answer.status == 409
    assert "custom handler 'handler': GET /shared is answered by 'handler' of the model 'one'" in answer.json()["error"]
    assert serving.get("/own").json() == "text"
    assert serving.get("/v2/models/two/own").json() == "text"


def test_paths_that_one_request_may_fit_are_a_clash(serve):
    serving = serve(given(First), given(Second))

    reasons = {name: reason_of(serving, name) for name in ("first", "second")}

    assert sorted(map(bool, reasons.values())) == [False, True]
    assert "/items/{item_id}" in max(reasons.values())
    assert "/items/all" in max(reasons.values())


def test_two_versions_share_a_path_which_the_default_one_answers(serve):
    serving = serve(given(Versioned, version="v1"), given(Versioned, version="v2"))

    assert serving.get("/version").json() == "v2"
    assert serving.get("/v2/models/versioned/version").json() == "v2"
    assert serving.get("/v2/models/versioned/versions/v1/version").json() == "v1"
    assert serving.get("/v2/models/versioned/versions/v3/version").status == 404


def test_routes_follow_a_reload_and_go_with_an_unload(serve, tmp_path):
    write(tmp_path, "moving", "/old", text="first")
    serving = serve(folder=tmp_path)
    assert serving.get("/old").json() == "first"

    write(tmp_path, "moving", "/old", text="second")
    assert serving.post("/v2/repository/models/moving/load").status == 200
    assert serving.get("/old").json() == "second"

    write(tmp_path, "moving", "/new", method="POST", text="third")
    assert serving.post("/v2/repository/models/moving/load").status == 200
    assert serving.get("/old").status == 404
    assert serving.post("/new").json() == "third"

    assert serving.post("/v2/repository/models/moving/unload").status == 200
    assert serving.post("/new").status == 404
    assert serving.post("/v2/models/moving/new").status == 404


def test_an_error_of_the_path_says_so_without_handlers(rest):
    answer = rest.get("/nowhere")

    assert (answer.status, answer.json()) == (404, {"error": "there is no path /nowhere; GET /v2/docs lists them"})
