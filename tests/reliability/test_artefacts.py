"""B126 to B131, and the addresses of B115 and B116: artefacts that mean harm or are broken, asked of a real server.

Each test exchanges the artefact of a model that is loaded; the model goes on as it was.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import socket

import joblib
import pytest
import skops.io
from mlcore.digest import digest_of
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import FunctionTransformer
from standing import Standing

LINE = LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
TENSOR = {"name": "x", "datatype": "FP64", "shape": [1, 1], "data": [5.0]}


class Line:
    """The model `line` of the server, whose artefact tests exchange."""

    def __init__(self, folder):
        self.folder = folder

    def put(self, file, content=None, is_pinned=True, **parameters):
        """Write its settings, and its artefact: bytes, or whatever is there if `None`."""
        self.folder.mkdir(exist_ok=True)
        if content is not None:
            (self.folder / file).write_bytes(content)
        if is_pinned:
            parameters["digest"] = digest_of(self.folder / file)
        settings = {"name": "line", "implementation": "sklearn", "parameters": {"uri": file, **parameters}}
        (self.folder / "model-settings.json").write_text(json.dumps(settings))

    def put_back(self):
        """Write it as it was."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        joblib.dump(LINE, self.folder / "model.joblib")
        self.put("model.joblib")


@pytest.fixture(scope="module")
def trained(operated):
    """Load the model, in each format once: what that imports is no growth."""
    made = Line(operated.folder / "line")
    made.put_back()
    assert operated.server.post("/v2/repository/models/line/load").status == 200
    made.put("model.skops", skops.io.dumps(LINE), is_pinned=False)
    assert operated.server.post("/v2/repository/models/line/load").status == 200
    made.put_back()  # whose private copy is open as long as it serves
    assert operated.server.post("/v2/repository/models/line/load").status == 200
    yield made
    assert operated.server.post("/v2/repository/models/line/unload").status == 200
    operated.forget("line")


@pytest.fixture
def line(operated, trained):
    """Return the model, and put it back after the test; it answers before that."""
    trained.put_back()
    assert operated.server.post("/v2/repository/models/line/load").status == 200
    yield trained
    assert operated.server.infer("line", TENSOR).json()["outputs"][0]["data"] == [pytest.approx(5.0)]
    trained.put_back()
    assert operated.server.post("/v2/repository/models/line/load").status == 200


class Evil:
    """Leaves a file where it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def refused(operator, *told):
    reply = operator.load("line")
    assert reply.code == "FAILED_PRECONDITION", reply
    for text in told:
        assert text in reply.message, reply.message
    # What a library raised is told, as the operator has to know it; where the files are is not.
    assert len(reply.message) < 600
    assert not re.search(r"Traceback|/tmp/|site-packages", reply.message)
    assert operator.states()["line"][0] == "READY"


@pytest.mark.parametrize("file", ["model.joblib", "model.pkl", "model.pickle", "model.bin"])
def test_b126_a_pickle_that_is_not_permitted_is_not_read(operator, stays, line, tmp_path, file) -> None:
    line.put(file, pickle.dumps(Evil(tmp_path / "ran")), is_pinned=False)

    refused(operator, f"{file}: pickle not permitted: set parameters.digest")
    assert not (tmp_path / "ran").exists()


def test_b127_a_file_of_which_one_byte_was_changed_is_refused(operated, operator, line, tmp_path) -> None:
    stood = Standing(operated.server)
    content = (line.folder / "model.joblib").read_bytes()
    expected = digest_of(line.folder / "model.joblib")
    for changed in (content[:-1] + bytes([content[-1] ^ 1]), content + b"\0", pickle.dumps(Evil(tmp_path / "ran"))):
        (line.folder / "model.joblib").write_bytes(changed)
        got = digest_of(line.folder / "model.joblib")

        told = operator.load("line").message

        assert f"expected {expected[:19]}..., got {got[:19]}..." in told
        (line.folder / "model.joblib").write_bytes(content)
        assert operator.load("line").code == "OK"
    stood.check(warnings=3)
    assert not (tmp_path / "ran").exists()


def test_b128_a_pickle_with_the_name_of_another_format_is_refused(operator, stays, line, tmp_path) -> None:
    line.put("model.skops", pickle.dumps(Evil(tmp_path / "ran")))

    refused(operator, "model.skops: it is no skops file but a pickle")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("file", ["model.onnx", "model.safetensors"])
def test_b128_a_pickle_under_any_other_name_needs_a_digest_as_well(operator, stays, line, tmp_path, file) -> None:
    line.put(file, pickle.dumps(Evil(tmp_path / "ran")), is_pinned=False)

    refused(operator, file)
    assert not (tmp_path / "ran").exists()


def test_b129_a_skops_file_with_types_that_nobody_trusts_is_refused_and_they_are_listed(operator, stays, line) -> None:
    line.put("model.skops", skops.io.dumps(FunctionTransformer(os.path.join)), is_pinned=False)

    refused(operator, "model.skops", "posixpath.join", "parameters.extra.trusted_types")


WHOLE = pickle.dumps(LINE)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.joblib", b""),
        ("model.pkl", WHOLE[: len(WHOLE) // 2]),
        ("model.skops", b""),
        ("model.skops", skops.io.dumps(LINE)[:300]),
        ("model.pkl", b"\x80\x05" + b"\xff" * 1000),
    ],
    ids=["empty", "cut", "empty skops", "cut skops", "noise"],
)
def test_b131_a_broken_artefact_is_refused_with_a_short_reason(operator, stays, line, file, content) -> None:
    line.put(file, content)

    refused(operator, file)


def test_b131_a_missing_artefact_is_refused(operator, stays, line) -> None:
    line.put("model.pkl", is_pinned=False)

    refused(operator, "parameters.uri: there is no file or folder 'model.pkl'")


def test_b131_a_folder_in_place_of_a_file_is_refused(operator, stays, line) -> None:
    (line.folder / "model.pkl").mkdir()
    line.put("model.pkl", is_pinned=False)

    refused(operator, "parameters.uri: the folder 'model.pkl' has none of ")


@pytest.mark.skipif(os.geteuid() == 0, reason="the user root may read every file")
def test_b131_an_artefact_that_may_not_be_read_is_refused(operator, stays, line) -> None:
    (line.folder / "model.joblib").chmod(0)

    refused(operator, "model.joblib")


@pytest.mark.parametrize(
    "uri", ["//share/host", "model.joblib#x", "model.joblib?x=1", "$HOME/model.joblib", "~nobody/x"]
)
def test_b106_a_uri_is_a_path_and_nothing_else(operator, stays, line, uri) -> None:
    line.put(uri, is_pinned=False)

    refused(operator, "parameters.uri: there is no file or folder")


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "127.1", "2130706433"])
def test_b115_no_address_is_asked(operator, stays, line, address) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        line.put(f"http://{address}:{listening.getsockname()[1]}/model.joblib", is_pinned=False)

        refused(operator, "addresses ('http:...') are not fetched")
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


@pytest.mark.parametrize("uri", ["s3://key:hush@b/../x", "hf://u:hush@m", "mlflow:hush/../x", "https://u:hush@h/x"])
def test_b116_an_address_is_neither_told_nor_logged(operated, operator, stays, line, uri) -> None:
    logged = len(operated.server.log)
    line.put(uri, is_pinned=False)

    refused(operator, "are not fetched")
    assert "hush" not in operator.load("many").message + str(operator.states())
    assert "hush" not in "\n".join(operated.server.log[logged:])
