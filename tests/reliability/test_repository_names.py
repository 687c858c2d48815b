"""B101 to B109 and B117 to B119: what clients may call models, and what else they may say about them."""

from __future__ import annotations

import json
import re
import threading
from http.client import HTTPConnection
from urllib.parse import quote

import pytest
from standing import raw

from .asking import assert_refused
from .operated import RestOperator

# A model that says in which folder it is.
SAYING = """
from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.types import InferenceResponse


class Many(MLModel):
    async def predict(self, payload):
        said = StringCodec.encode_output("said", [self.settings.parameters.extra["says"]])
        return InferenceResponse(model_name=self.name, outputs=[said])
"""
TENSOR = {"name": "same", "datatype": "INT64", "shape": [1], "data": [1]}


@pytest.fixture
def canary(operated):
    """Place a model where names would have to lead out to, beside the served folder, and say that nobody loads it."""
    ran = operated.folder.parent / "ran"
    outside = operated.folder.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "many.py").write_text(f"open({str(ran)!r}, 'w')")
    (outside / "model-settings.json").write_text('{"name": "outside", "implementation": "many.Many"}')
    yield outside
    assert not ran.exists()


NAMES = ["..", "../outside", "many/../../outside", "a/b", "/outside", "/", "..\\outside", "\\", "many ", " many", "."]


@pytest.mark.parametrize("verb", ["load", "unload"])
@pytest.mark.parametrize("name", NAMES)
def test_b101_a_name_that_could_be_a_path_is_refused(operator, stays, canary, verb, name) -> None:
    reply = getattr(operator, verb)(name)

    # Over REST what has a slash is another path, and there is none.
    code = "NOT_FOUND" if isinstance(operator, RestOperator) and "/" in name else "INVALID_ARGUMENT"
    assert_refused(reply, code=code)


@pytest.mark.parametrize("name", ["many.", "...", "..many", "..outside", "$HOME", "~", "many~"])
def test_b101_any_other_name_is_looked_up_among_the_models_only(operator, stays, canary, name) -> None:
    # A dot at the end is a letter as any other on the systems that mlcore runs on, so the name is one that nobody has.
    assert_refused(operator.load(name), "ot found", code="NOT_FOUND")
    assert_refused(operator.unload(name), "ot found", code="NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("..", 400),
        ("%2e%2e", 400),
        ("%2E.", 400),
        ("..%2foutside", 404),
        ("%2e%2e%2Foutside", 404),
        ("..%5coutside", 400),
        ("%252e%252e%252foutside", 404),
        ("%25252e%25252e", 404),
        ("../../outside", 404),
        ("many/../../../outside", 404),
        ("many/versions/..", 400),
        ("many/versions/%2e%2e", 400),
        ("many/versions/..%2f..", 404),
    ],
)
def test_b102_a_name_is_decoded_once_and_then_no_path(operated, stays, canary, path, status) -> None:
    # 404: there is no such path, or, decoded once, no model of that name.
    answer = operated.server.post(f"/v2/repository/models/{path}/load")

    assert answer.status == status
    assert [*answer.json()] == ["error"]


@pytest.mark.parametrize("path", ["%c0%ae%c0%ae", "%c0%ae%c0%ae%c0%af", "%e0%80%ae", "%ff", "%", "%zz", "%u002e"])
def test_b102_overlong_and_broken_encodings_name_nothing(operated, stays, canary, path) -> None:
    answer = operated.server.post(f"/v2/repository/models/{path}/load")

    assert answer.status in (400, 404)
    assert [*answer.json()] == ["error"]


@pytest.mark.parametrize("name", [b"\xc0\xae\xc0\xae", b"\xff", b"\xed\xa0\x80"])
@pytest.mark.parametrize("operator", ["grpc"], indirect=True)
def test_b102_a_string_that_is_no_utf_8_is_refused_over_grpc(operator, stays, name) -> None:
    reply = operator.call("RepositoryModelLoad", b"\x12" + bytes([len(name)]) + name)

    assert reply.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize("name", ["%2e%2e", "%2e%2e%2foutside", "..%2foutside"])
@pytest.mark.parametrize("operator", ["grpc"], indirect=True)
def test_b102_nothing_is_decoded_over_grpc(operator, stays, canary, name) -> None:
    assert_refused(operator.load(name), code="NOT_FOUND")


@pytest.mark.parametrize("name", [" ", "\t", "\u2003", "x" * 256, "\u00e9" * 256])
def test_b103_a_name_of_spaces_or_too_long_is_refused(operator, stays, name) -> None:
    assert_refused(operator.load(name), "name: expected ")
    assert_refused(operator.unload(name), "name: expected ")


def test_b103_255_characters_are_the_most(operator, stays) -> None:
    assert_refused(operator.load("x" * 255), code="NOT_FOUND")


def test_b103_an_empty_name_is_refused(operator, stays) -> None:
    is_rest = isinstance(operator, RestOperator)
    assert_refused(operator.load(""), code="NOT_FOUND" if is_rest else "INVALID_ARGUMENT")  # `//` is no path


@pytest.mark.parametrize("operator", ["grpc"], indirect=True)
def test_b103_a_name_of_10_mb_is_refused_over_grpc(operated, operator, stays) -> None:
    assert_refused(operator.load("x" * 10_000), "name: expected 1 to 255 characters")
    # The limit of the message comes first.
    assert_refused(operator.load("x" * 10_000_000), "larger than", code="RESOURCE_EXHAUSTED")


def test_b103_a_path_with_a_name_of_megabytes_is_not_read_to_its_end(operated, stays) -> None:
    answer = raw(operated.server, b"POST /v2/repository/models/", *[b"x" * 100_000] * 100, b"/load HTTP/1.1\r\n\r\n")

    # The connection may break while the client still writes.
    assert not answer or re.match(rb"HTTP/1\.1 (400|414|431) ", answer)


@pytest.mark.parametrize("name", ["many\0", "many\nfaked: line", "\x1b[31mred", "many\r", "a\u2028b", "\u202egnp"])
def test_b104_control_characters_are_refused_and_never_reach_the_log(operated, operator, stays, name) -> None:
    logged = len(operated.server.log)

    assert_refused(operator.load(name), "name: expected printable text")
    assert operator.ready(name).code in ("NOT_FOUND", "INVALID_ARGUMENT")

    written = "\n".join(operated.server.log[logged:])
    assert not re.search(r"faked: line|\x1b\[31mred|\u2028|\u202e", written)


@pytest.fixture(scope="module")
def twins(operated):
    """Write models whose names only look alike."""
    names = ["twin", "Twin", "TWIN", "caf\u00e9", "cafe\u0301"]
    for number, name in enumerate(names):
        operated.write(f"twins{number}", SAYING, name=name, parameters={"extra": {"says": ascii(name)}})
    yield names
    for number, name in enumerate(names):
        operated.server.post(f"/v2/repository/models/{quote(name)}/unload")
        operated.forget(f"twins{number}")


def test_b105_names_that_only_look_alike_are_different_models(operated, operator, twins) -> None:
    for name in twins:
        assert operator.load(name).code == "OK"
    for name in twins:
        asked = quote(name) if isinstance(operator, RestOperator) else name
        assert operator.infer(asked, TENSOR).outputs == {"said": [ascii(name)]}
    assert operator.unload("Twin").code == "OK"
    assert {name: operator.states()[name][0] for name in twins} == {
        name: "UNAVAILABLE" if name == "Twin" else "READY" for name in twins
    }
    assert_refused(operator.ready("Twin"), code="NOT_FOUND")
    assert_refused(operator.load("tWIN"), code="NOT_FOUND")


URIS = [
    "file:///etc/passwd",
    "file:///../outside",
    "/outside#x",
    "x?y",
    "\\\\host\\share",
    "~/x",
    "$HOME/x",
    "http://x",
]


@pytest.mark.parametrize("uri", URIS)
def test_b106_a_uri_of_a_client_is_no_name_and_changes_nothing(operator, stays, canary, uri) -> None:
    assert operator.load(uri).code in ("INVALID_ARGUMENT", "NOT_FOUND")
    # A parameter that nobody knows, as every other: the model comes from where the operator put it.
    assert operator.load("many", uri=uri, path=uri, model_path=uri).code == "OK"


def test_b107_what_is_not_there_cannot_be_loaded_or_unloaded(operated, operator, stays) -> None:
    assert_refused(operator.load("unknown"), "unknown", code="NOT_FOUND")
    assert_refused(operator.unload("unknown"), "unknown", code="NOT_FOUND")
    operated.write("later")
    assert_refused(operator.unload("later"), "later", code="NOT_FOUND")
    assert operator.load("later").code == "OK"
    assert operator.unload("later").code == "OK"
    assert_refused(operator.unload("later"), "later", code="NOT_FOUND")
    operated.forget("later")


@pytest.mark.parametrize("name", ["config", "file:1/model.bin", "file:", "file:many.py"])
def test_b108_a_client_brings_no_model(operated, operator, stays, name) -> None:
    before = _tree(operated.folder)
    given = json.dumps({"implementation": "os.system"}) if name == "config" else "evil"

    reply = operator.load("many", **{name: given})

    assert_refused(reply, f"parameters.{name}: this server loads what its repository holds")
    assert _tree(operated.folder) == before


@pytest.mark.parametrize("file", ["x" * 256, "../evil", "/tmp/evil", "a/../../evil", "link", "..", "\0", "\x1b[31m"])
def test_b109_no_file_name_of_a_client_is_ever_one(operated, operator, stays, file) -> None:
    (operated.folder / "many" / "link").symlink_to(operated.folder.parent / "target")
    before = _tree(operated.folder.parent)

    reply = operator.load("many", **{f"file:{file}": "evil"})

    assert_refused(reply, "parameters.file:")
    assert _tree(operated.folder.parent) == before
    (operated.folder / "many" / "link").unlink()


DEEP = b'{"ready": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    "body",
    [b'{"ready": "true"}', b'{"ready": 1}', b'{"ready": null}', b'{"ready": [true]}', b"[]", b"true", b"{", DEEP],
)
def test_b117_ready_is_true_or_false(operated, stays, body) -> None:
    answer = operated.server.post("/v2/repository/index", body)

    assert answer.status == 400
    assert [*answer.json()] == ["error"]
    assert len(answer.body) < 600


@pytest.mark.parametrize("operator", ["grpc"], indirect=True)
def test_b117_ready_has_one_type_over_grpc(operator, stays) -> None:
    assert operator.call("RepositoryIndex", b"\x12\x04true").code == "INVALID_ARGUMENT"
    assert operator.call("RepositoryIndex", b"\x10\x01").code == "OK"


SETTINGS = {"log_file": "/tmp/mlcore-evil", "trace_file": "/tmp/mlcore-evil", "log_verbose_level": 9}


@pytest.mark.parametrize("path", ["/v2/logging", "/v2/trace/setting", "/v2/models/many/trace/setting", "/v2/config"])
def test_b118_there_is_no_path_for_settings(operated, stays, path) -> None:
    assert operated.server.get(path).status == 404
    answer = operated.server.post(path, SETTINGS)

    assert answer.status == 404
    assert [*answer.json()] == ["error"]


@pytest.mark.parametrize("operator", ["grpc"], indirect=True)
@pytest.mark.parametrize("method", ["LogSettings", "TraceSetting", "ModelConfig"])
def test_b118_there_is_no_call_for_settings(operator, stays, method) -> None:
    assert operator.call(method, b"").code == "UNIMPLEMENTED"


def test_b119_names_of_clients_make_no_series(operated, operator, stays) -> None:
    def series() -> set[str]:
        host, _, port = operated.server.urls["metrics"].partition("://")[2].rpartition(":")
        connection = HTTPConnection(host, int(port), timeout=60)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}

    def ask(number: int) -> None:
        name = f"random-{number}"
        assert operator.ready(name).code == "NOT_FOUND"
        assert operator.infer(name, TENSOR).code == "NOT_FOUND"
        assert operator.load(name).code == "NOT_FOUND"
        assert operator.unload(name).code == "NOT_FOUND"

    ask(0)
    before = series()
    clients = [threading.Thread(target=lambda k=k: [ask(100 * k + number) for number in range(100)]) for k in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()

    assert series() == before


def _tree(folder):
    return sorted(str(path) for path in folder.rglob("*") if "__pycache__" not in path.parts)
