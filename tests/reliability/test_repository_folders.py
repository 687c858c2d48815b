"""B112 to B114: what may lie in the served folder, by mistake or on purpose."""

from __future__ import annotations

import json
import os
import socket
import threading

import pytest
from mlcore.plugins import Plugins
from mlcore.repository.folder_repository import FolderRepository
from standing import Standing

from .asking import assert_refused

FOLDERS = int(os.environ.get("MLCORE_TEST_FOLDERS", "500"))
"""How many folders are many; 10,000 is the long run."""


@pytest.fixture
def odd(operated):
    """Put into the served folder what is no model."""
    place = operated.folder / "odd"
    outside = operated.folder.parent / "elsewhere" / "model"
    outside.mkdir(parents=True, exist_ok=True)
    (outside / "model-settings.json").write_text('{"name": "elsewhere", "implementation": "os.system"}')
    place.mkdir()
    (place / "outside").symlink_to(outside.parent)
    (place / "itself").symlink_to("itself")
    (place / "circle").mkdir()
    (place / "circle" / "again").symlink_to("..")
    for name in ("pipe", "device", "socket", "file_outside", "loop", "nowhere", "folder"):
        (place / name).mkdir()
    settings = "model-settings.json"
    os.mkfifo(place / "pipe" / settings)
    os.mkfifo(place / "pipe" / "model.joblib")
    (place / "device" / settings).symlink_to("/dev/zero")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(os.path.relpath(place / "socket" / settings))
    (place / "file_outside" / settings).symlink_to("/etc/passwd")
    (place / "loop" / settings).symlink_to(settings)
    (place / "nowhere" / settings).symlink_to("/nowhere/at/all")
    (place / "folder" / settings).mkdir()
    yield place
    listening.close()
    operated.forget("odd")


def test_b112_what_is_no_model_is_listed_with_a_reason_or_left_out(operated, operator, odd) -> None:
    # Two warnings: for the link that leads out, and for the one in a circle; the rest are reasons in the index.
    operator.states()
    stood = Standing(operated.server)
    warned = len([line for line in operated.server.log if "is a link" in line])

    states = {name: operator.states()[name] for name in operator.states() if name != "many"}

    assert {name: state for name, (state, _) in states.items()} == dict.fromkeys(states, "UNAVAILABLE")
    assert {"device", "pipe", "socket", "file_outside", "loop", "nowhere"} >= set(states) > {"pipe", "device"}
    assert all(reason and "root:" not in reason for _, reason in states.values()), states
    for name in states:
        assert_refused(operator.load(name), code="FAILED_PRECONDITION")
    assert operator.load("elsewhere").code == "NOT_FOUND"
    assert operator.load("many").code == "OK"
    assert len([line for line in operated.server.log if "is a link" in line]) == warned
    for name in states:
        assert operator.unload(name).code == "OK"
    stood.check(warnings=len(states))


def test_b113_many_folders_are_listed_and_none_is_read_that_was_not_asked_for(operated, operator) -> None:
    names = [f"m{number:05}" for number in range(FOLDERS)]
    many = operated.folder / "crowd"
    for name in names:
        (many / name).mkdir(parents=True)
        (many / name / "model-settings.json").write_text('{"implementation": "many.Many"}')
    operator.states()
    stood = Standing(operated.server)

    states = operator.states()

    assert states.keys() >= {"many", *names}
    assert {states[name][0] for name in names} == {"UNAVAILABLE"}
    stood.check(growth_bytes=64 * 2**20)
    operated.forget("crowd")


def test_b113_a_settings_file_of_10_mb_is_not_read(operated, operator, stays) -> None:
    folder = operated.folder / "large"
    folder.mkdir()
    (folder / "model-settings.json").write_text('{"name": "' + "x" * 10_000_000 + '"}')

    state, reason = operator.states()["large"]

    assert state == "UNAVAILABLE"
    assert "larger than" in reason
    assert_refused(operator.load("large"), "larger than", code="FAILED_PRECONDITION")
    assert operator.unload("large").code == "OK"
    operated.forget("large")


def test_b113_a_settings_file_that_is_replaced_is_the_old_one_or_the_new_one(tmp_path) -> None:
    settings = tmp_path / "m" / "model-settings.json"
    settings.parent.mkdir()
    texts = [
        json.dumps({"name": "m", "implementation": "x", "parameters": {"version": version, "extra": {"x": "x" * size}}})
        for version, size in (("1", 10), ("2", 20_000))
    ]
    settings.write_text(texts[0])
    repository = FolderRepository(tmp_path, Plugins().runtimes)
    is_over = threading.Event()

    def replace() -> None:
        while not is_over.is_set():
            for number, text in enumerate(texts):
                new = settings.with_name(f".new{number}")
                new.write_text(text)
                new.replace(settings)

    replacing = threading.Thread(target=replace)
    replacing.start()
    try:
        found = [repository.entries() for _ in range(300)]
    finally:
        is_over.set()
        replacing.join()

    for entries in found:
        (entry,) = entries
        assert entry.settings is not None, entry.problem
        size = {"1": 10, "2": 20_000}[entry.version]
        assert len(entry.settings.parameters.extra["x"]) == size


@pytest.mark.parametrize("version", [None, "3"])
def test_b114_two_folders_of_one_name_and_version_are_an_error_that_names_both(operated, operator, version) -> None:
    parameters = {"parameters": {"version": version}} if version else {}
    operated.write("first", name="shared", **parameters)
    assert operator.load("shared").code == "OK"
    stood = Standing(operated.server)
    operated.write("second", name="shared", **parameters)

    replies = [operator.load("shared") for _ in range(3)]

    for reply in replies:
        assert_refused(reply, "is defined twice: in 'first' and in 'second'", code="FAILED_PRECONDITION")
    tensor = {"name": "same", "datatype": "INT64", "shape": [1], "data": [7]}
    assert operator.infer("shared", tensor).outputs == {"same": [7]}  # what was loaded goes on
    stood.check(warnings=3)
    operated.forget("second", "first")
    assert_refused(operator.load("shared"), code="NOT_FOUND")  # with which it is gone
