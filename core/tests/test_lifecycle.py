"""The life of the models: loads, reloads and unloads, with requests under way and with each other."""

import asyncio
import json
import logging
import random
import shutil

import pytest
from mlcore import MLModel, ModelSettings, Server, hookimpl
from mlcore.codecs import StringCodec
from mlcore.engine import LoadedModel
from mlcore.engines.inline import InlineEngine
from mlcore.errors import (
    InferenceError,
    ModelLoadError,
    ModelNotFoundError,
    ModelNotReadyError,
    SettingsError,
    UnavailableError,
)
from mlcore.types import InferenceResponse
from waiting import HELD, waits_in

# A model that notes what happens to it in a file, and waits during predict for a file to appear.
NOTING = """
import asyncio
from pathlib import Path
from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.types import InferenceResponse

ANSWER = {answer!r}


class MyModel(MLModel):
    def load(self):
        self.notes = self.settings.folder.parent / "notes"
        self.note("load")
        {load}

    def note(self, what):
        with self.notes.open("a") as notes:
            notes.write(f"{{what}} {{ANSWER}}\\n")

    async def predict(self, payload):
        self.note("predict")
        while (self.settings.folder.parent / "wait").exists():
            await asyncio.sleep(0.005)
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("said", [ANSWER])])

    def unload(self):
        self.note("unload")
        {unload}
"""


@pytest.fixture
def noting(model):
    """Return a function that writes a model which notes what happens to it."""

    def write(folder="m", answer="one", load="pass", unload="pass", **settings):
        return model(folder, NOTING.format(answer=answer, load=load, unload=unload), **settings)

    return write


@pytest.fixture
def notes(repository):
    """Return a function that gives what models have noted, and one of whether they have noted something."""
    return lambda: (repository / "notes").read_text().splitlines() if (repository / "notes").exists() else []


def index(server):
    return [(item.name, item.version, item.state, item.reason) for item in server.control.index()]


# --- load ---


async def test_a_model_that_fails_does_not_stop_the_others(repository, noting, said):
    noting("bad", load="raise ValueError('no weights')")
    noting("good")

    async with Server(repository, transports=[]) as server:
        assert await said(server, "good") == "one"
        assert index(server) == [
            ("bad", None, "UNAVAILABLE", "load() raised ValueError: no weights"),
            ("good", None, "READY", ""),
        ]
        assert not server.control.is_ready
        assert server.control.failures() == {("bad", None): "load() raised ValueError: no weights"}
        with pytest.raises(UnavailableError, match="Model bad is not ready"):
            await said(server, "bad")


async def test_a_model_that_is_not_there_cannot_be_loaded_or_unloaded(repository):
    async with Server(repository, transports=[]) as server:
        for operation in (server.control.load, server.control.unload):
            with pytest.raises(ModelNotFoundError, match="Model nobody not found"):
                await operation("nobody")
        assert index(server) == []


@pytest.mark.parametrize(
    ("name", "error"),
    [
        *((name, ModelNotFoundError) for name in ("m.", "...", "M", "..model", "~", "$HOME", "m%2f", "file:m")),
        *((name, InferenceError) for name in ("..", "../m", "a/../m", "/etc", "m/", "m ", ".", "", "m\0", "m\n")),
        *((name, InferenceError) for name in ("\x1b[1m", "a\\m", "x" * 256, "x" * 10**7)),
    ],
)
async def test_a_name_of_a_client_never_is_a_path(repository, noting, notes, name, error):
    noting()
    (repository / "..model").mkdir()

    async with Server(repository, transports=[]) as server:
        for operation in (server.control.load, server.control.unload):
            with pytest.raises(error) as raised:
                await operation(name)
            assert str(raised.value).isprintable()
            with pytest.raises(error) as raised_of_version:
                await operation("m", name)
            assert max(map(len, (str(raised.value), str(raised_of_version.value)))) < 250
        assert index(server) == [("m", None, "READY", "")]
        assert notes() == ["load one"]


async def test_a_model_that_is_added_can_be_loaded(repository, noting, said):
    async with Server(repository, transports=[]) as server:
        noting()
        assert index(server) == [("m", None, "UNAVAILABLE", "")]
        await server.control.load("m")
        assert await said(server, "m") == "one"


async def test_a_load_takes_every_version_and_says_of_each_why_it_fails(repository, noting, said):
    noting("v1", "one", name="m", parameters={"version": "1"})
    noting("v2", "two", name="m", parameters={"version": "2"}, load="raise ValueError('a')")
    noting("v3", "three", name="m", parameters={"version": "3"}, load="raise ValueError('b')")

    async with Server(repository, transports=[], load_models_at_startup=False) as server:
        with pytest.raises(ModelLoadError) as raised:
            await server.control.load("m")
        assert str(raised.value) == "load() raised ValueError: a; load() raised ValueError: b"
        assert await said(server, "m") == "one"
        noting("v2", "two", name="m", parameters={"version": "2"})
        with pytest.raises(ModelLoadError, match=r"^load\(\) raised ValueError: b$"):
            await server.control.load("m")
        assert await said(server, "m") == "two"
        assert server.control.versions("m") == ["1", "2"]


async def test_b110_a_hundred_loads_at_once_are_one_load(repository, noting, notes):
    noting(load="import time; time.sleep(0.1)")

    async with Server(repository, transports=[], load_models_at_startup=False) as server:
        await asyncio.gather(*(server.control.load("m") for _ in range(100)))
        assert notes() == ["load one"]
        assert server.control.is_ready


async def test_loads_that_arrive_during_a_load_share_it(repository, noting, notes, until):
    noting(load=HELD)
    hold = repository / "hold"
    hold.touch()

    async with Server(repository, transports=[], load_models_at_startup=False) as server:
        first = asyncio.create_task(server.control.load("m"))
        await until(notes)
        later = [asyncio.create_task(server.control.load("m")) for _ in range(10)]
        await until(lambda: all(waits_in(load) == "share" for load in later))
        hold.unlink()
        await asyncio.gather(first, *later)
        assert notes() == ["load one"]


async def test_a_load_after_an_edit_is_not_answered_with_the_load_before_it(repository, noting, notes, said, until):
    noting(load=HELD)
    hold = repository / "hold"
    hold.touch()

    async with Server(repository, transports=[], load_models_at_startup=False) as server:
        first = asyncio.create_task(server.control.load("m"))
        await until(notes)
        noting(answer="two")
        second = asyncio.create_task(server.control.load("m"))
        await until(lambda: waits_in(second) == "share")
        hold.unlink()
        await asyncio.gather(first, second)
        assert await said(server, "m") == "two"


async def test_whoever_shares_a_failing_load_learns_why(repository, noting):
    noting(load="raise ValueError('no')")

    async with Server(repository, transports=[], load_models_at_startup=False) as server:
        outcomes = await asyncio.gather(*(server.control.load("m") for _ in range(5)), return_exceptions=True)

    assert {str(outcome) for outcome in outcomes} == {"load() raised ValueError: no"}


async def test_a_load_goes_on_when_whoever_asked_is_gone(repository, noting, notes, said, until):
    noting(load=HELD)
    hold = repository / "hold"
    hold.touch()

    async with Server(repository, transports=[], load_models_at_startup=False) as server:
        asked = asyncio.create_task(server.control.load("m"))
        await until(notes)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        hold.unlink()
        await until(lambda: server.control.models() == ["m"])
        assert await said(server, "m") == "one"


async def test_models_load_side_by_side_unless_they_have_modules_of_their_own(repository):
    barrier = asyncio.Barrier(3)

    class Waiting(MLModel):
        async def load(self):
            await asyncio.wait_for(barrier.wait(), 60)

    models = [ModelSettings(name=name, implementation=Waiting) for name in "abc"]

    async with Server(models=models, transports=[]) as server:
        assert server.control.is_ready


# --- load again ---


async def test_a_reload_under_requests_fails_none_of_them(repository, noting, ask, notes):
    noting()
    answers, stop = set(), asyncio.Event()

    async def client(server):
        while not stop.is_set():
            answers.add((await ask(server, "m"))["outputs"][0]["data"][0])
            await asyncio.sleep(0)

    async with Server(repository, transports=[]) as server:
        clients = [asyncio.create_task(client(server)) for _ in range(16)]
        for number in range(8):
            noting(answer=f"reload {number}")
            await server.control.load("m")
        stop.set()
        await asyncio.gather(*clients)
        assert index(server) == [("m", None, "READY", "")]

    assert {"one", "reload 7"} <= answers
    loads = [note.removeprefix("load ") for note in notes() if note.startswith("load")]
    unloads = [note.removeprefix("unload ") for note in notes() if note.startswith("unload")]
    assert loads == unloads == ["one", *(f"reload {number}" for number in range(8))]


async def test_requests_under_way_finish_on_the_old_model_and_later_ones_go_to_the_new(
    repository, noting, said, notes, until, caplog
):
    caplog.set_level("INFO", "mlcore.models")
    noting()
    (repository / "wait").touch()

    async with Server(repository, transports=[]) as server:
        old = asyncio.create_task(said(server, "m"))
        await until(lambda: "predict one" in notes())
        noting(answer="two")
        reload = asyncio.create_task(server.control.load("m"))
        await until(lambda: caplog.messages.count("model ready") == 2)  # the new one is published
        new = asyncio.create_task(said(server, "m"))
        await until(lambda: "predict two" in notes())
        assert "unload one" not in notes()
        assert not reload.done()
        (repository / "wait").unlink()
        assert await old == "one"
        assert await new == "two"
        await reload
        assert "unload one" in notes()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "my_model.py").write_text("1 / 0"), "the module 'my_model' fails to import"),
        (lambda folder: (folder / "my_model.py").unlink(), "there is no module 'my_model'"),
        (lambda folder: (folder / "model-settings.json").write_text("{"), "line 1, column 2: not valid JSON"),
        (
            lambda folder: (folder / "model-settings.json").write_text(
                '{"implementation": "my_model.MyModel", "nmae": 1}'
            ),
            "nmae: unknown setting; did you mean 'name'?",
        ),
    ],
    ids=["code", "gone", "json", "key"],
)
async def test_f09_a_reload_that_fails_keeps_the_old_model_and_says_why(repository, noting, said, spoil, reason):
    folder = noting("folder", name="m", parameters={"version": "1"})

    async with Server(repository, transports=[]) as server:
        spoil(folder)
        with pytest.raises(ModelLoadError) as raised:
            await server.control.load("m")
        assert reason in str(raised.value)
        assert await said(server, "m") == "one"
        assert server.control.is_ready
        assert index(server) == [("m", "1", "READY", f"the last load failed: {raised.value}")]

        noting("folder", "two", name="m", parameters={"version": "1"})
        await server.control.load("m")
        assert await said(server, "m") == "two"
        assert index(server) == [("m", "1", "READY", "")]


async def test_a_reload_unloads_versions_that_are_gone(repository, noting, said, notes):
    noting("v1", "one", name="m", parameters={"version": "1"})
    noting("v2", "two", name="m", parameters={"version": "2"})

    async with Server(repository, transports=[]) as server:
        shutil.rmtree(repository / "v2")
        await server.control.load("m")
        assert await said(server, "m") == "one"
        assert index(server) == [("m", "1", "READY", "")]
        assert "unload two" in notes()
        with pytest.raises(ModelNotFoundError):
            await said(server, "m", version="2")


async def test_a_model_whose_folder_is_gone_is_unloaded_by_a_load(repository, noting, said, notes):
    noting()

    async with Server(repository, transports=[]) as server:
        shutil.rmtree(repository / "m")
        with pytest.raises(ModelNotFoundError):
            await server.control.load("m")
        assert notes() == ["load one", "unload one"]
        assert index(server) == []
        assert server.control.is_ready
        with pytest.raises(ModelNotFoundError):
            await said(server, "m")


async def test_nothing_is_unloaded_because_the_repository_cannot_be_read(repository, noting, said):
    noting()

    async with Server(repository, transports=[]) as server:
        repository.rename(repository.parent / "elsewhere")
        with pytest.raises(SettingsError, match="the model repository cannot be read: No such file or directory"):
            await server.control.load("m")
        assert index(server) == [("m", None, "READY", "")]
        (repository.parent / "elsewhere").rename(repository)
        assert await said(server, "m") == "one"


async def test_a_broken_folder_that_is_mended_under_another_name_leaves_no_trace(repository, noting):
    (repository / "folder").mkdir()
    (repository / "folder/model-settings.json").write_text("{")

    async with Server(repository, transports=[]) as server:
        assert [item[:3] for item in index(server)] == [("folder", None, "UNAVAILABLE")]
        assert not server.control.is_ready
        noting("folder", name="m")
        await server.control.load("m")
        assert index(server) == [("m", None, "READY", "")]
        assert server.control.is_ready


async def test_a_reload_does_not_wait_for_ever_for_requests_on_the_old_model(
    repository, noting, said, notes, until, caplog
):
    noting()
    (repository / "wait").touch()

    async with Server(repository, transports=[], grace_period=0.1) as server:
        old = asyncio.create_task(said(server, "m"))
        await until(lambda: "predict one" in notes())
        noting(answer="two")
        await asyncio.wait_for(server.control.load("m"), 60)
        assert "unload one" not in notes()
        (repository / "wait").unlink()
        assert await old == "one"
        await until(lambda: "unload one" in notes())
        assert index(server) == [("m", None, "READY", "")]

    assert "the old model still works on requests" in caplog.text


# --- unload ---


async def test_an_unload_waits_for_requests_and_takes_no_new_ones(repository, noting, said, notes, until):
    noting()
    (repository / "wait").touch()

    async with Server(repository, transports=[]) as server:
        under_way = asyncio.create_task(said(server, "m"))
        await until(lambda: "predict one" in notes())
        unload = asyncio.create_task(server.control.unload("m"))
        await until(lambda: index(server)[0][2] == "UNLOADING")
        with pytest.raises(ModelNotFoundError):
            await said(server, "m")
        assert not unload.done()
        (repository / "wait").unlink()
        assert await under_way == "one"
        await unload
        assert notes()[-1] == "unload one"
        assert index(server) == [("m", None, "UNAVAILABLE", "")]
        assert server.control.is_ready


async def test_an_unload_does_not_wait_for_ever_and_a_load_after_it_is_not_disturbed(
    repository, noting, said, notes, until
):
    noting()
    (repository / "wait").touch()

    async with Server(repository, transports=[], grace_period=0.1) as server:
        under_way = asyncio.create_task(said(server, "m"))
        await until(lambda: "predict one" in notes())
        await server.control.unload("m")
        assert index(server)[0][2] == "UNLOADING"
        noting(answer="two")
        await server.control.load("m")
        (repository / "wait").unlink()
        assert await under_way == "one"
        await until(lambda: "unload one" in notes())
        assert index(server) == [("m", None, "READY", "")]
        assert await said(server, "m") == "two"


async def test_every_version_is_unloaded_and_a_second_unload_finds_none(repository, noting, notes):
    noting("v1", "one", name="m", parameters={"version": "1"})
    noting("v2", "two", name="m", parameters={"version": "2"})

    async with Server(repository, transports=[]) as server:
        await server.control.unload("m")
        assert {"unload one", "unload two"} <= set(notes())
        with pytest.raises(ModelNotFoundError):
            await server.control.unload("m")
        await server.control.load("m")
        assert server.control.versions("m") == ["1", "2"]


async def test_a_model_that_never_was_ready_can_be_unloaded(repository, noting):
    noting(load="raise ValueError('no')")

    async with Server(repository, transports=[]) as server:
        assert not server.control.is_ready
        await server.control.unload("m")
        assert server.control.is_ready
        assert index(server) == [("m", None, "UNAVAILABLE", "")]


@pytest.mark.parametrize("error", ["ValueError('stuck')", "SystemExit('stuck')"])
async def test_an_unload_that_raises_is_logged_and_the_model_is_gone(repository, noting, said, caplog, error):
    noting(unload=f"raise {error}")

    async with Server(repository, transports=[]) as server:
        await server.control.unload("m")
        with pytest.raises(ModelNotFoundError):
            await said(server, "m")

    assert "unload() failed" in caplog.text
    assert "stuck" in caplog.text


async def test_load_unload_and_requests_may_race(repository, noting, said):
    noting(load="import time; time.sleep(0.002)")
    outcomes, random_ = set(), random.Random(7)

    async def client(server):
        for _ in range(40):
            operation = random_.choice([server.control.load, server.control.unload, lambda name: said(server, name)])
            try:
                outcomes.add(await operation("m"))
            except ModelNotFoundError:
                outcomes.add(ModelNotFoundError)
            except UnavailableError:
                outcomes.add(UnavailableError)
            await asyncio.sleep(random_.random() / 500)

    async with Server(repository, transports=[]) as server:
        await asyncio.gather(*(client(server) for _ in range(16)))
        await server.control.load("m")
        assert await said(server, "m") == "one"
        assert index(server) == [("m", None, "READY", "")]

    assert outcomes <= {None, "one", ModelNotFoundError, ModelNotReadyError, UnavailableError}
    assert {None, "one", ModelNotFoundError} <= outcomes


# --- one version ---


@pytest.fixture
def versions(noting):
    """Write two versions of a model, the second of which answers when no version is asked for."""
    return {number: noting(f"v{number}", number, name="m", parameters={"version": number}) for number in ("9", "10")}


@pytest.mark.usefixtures("versions")
async def test_one_version_is_unloaded_and_the_next_one_takes_its_place_as_the_default(repository, said, notes):
    async with Server(repository, transports=[]) as server:
        assert await said(server, "m") == "10"
        await server.control.unload("m", "10")
        assert await said(server, "m") == "9"
        with pytest.raises(ModelNotFoundError, match="Model m with version 10 not found"):
            await said(server, "m", version="10")
        with pytest.raises(ModelNotFoundError, match="Model m with version 10 not found"):
            await server.control.unload("m", "10")
        assert index(server) == [("m", "9", "READY", ""), ("m", "10", "UNAVAILABLE", "")]
        assert server.control.is_ready
        assert "unload 9" not in notes()

        await server.control.load("m", "10")
        assert await said(server, "m") == "10"
        assert notes().count("load 9") == 1


async def test_the_load_of_one_version_leaves_the_others_alone(repository, noting, versions, said, notes):
    async with Server(repository, transports=[], load_models_at_startup=False) as server:
        await server.control.load("m", "9")
        assert notes() == ["load 9"]
        assert server.control.versions("m") == ["9"]
        assert server.control.is_ready

        (versions["9"] / "my_model.py").write_text("1 / 0")
        with pytest.raises(ModelLoadError):
            await server.control.load("m", "9")
        assert await said(server, "m") == "9"
        assert [item[:3] for item in index(server)] == [("m", "9", "READY"), ("m", "10", "UNAVAILABLE")]


async def test_a_version_that_is_gone_is_unloaded_by_its_load(repository, versions, said):
    async with Server(repository, transports=[]) as server:
        shutil.rmtree(versions["10"])
        with pytest.raises(ModelNotFoundError, match="Model m with version 10 not found"):
            await server.control.load("m", "10")
        assert await said(server, "m") == "9"
        with pytest.raises(ModelNotFoundError, match="Model m with version 1 not found"):
            await server.control.load("m", "1")
        assert server.control.versions("m") == ["9"]


async def test_loads_of_a_version_share_one_and_those_of_every_version_wait_for_it(repository, noting, notes, until):
    for number in ("1", "2"):
        noting(number, number, "import time; time.sleep(0.2)", name="m", parameters={"version": number})

    async with Server(repository, transports=[], load_models_at_startup=False) as server:
        first = asyncio.create_task(server.control.load("m", "1"))
        await until(notes)
        await asyncio.gather(first, *(server.control.load("m", "1") for _ in range(10)), server.control.load("m"))
        assert sorted(notes()) == ["load 1", "load 1", "load 2", "unload 1"]


async def test_the_model_without_a_version_is_the_default_whatever_the_others_are_called(repository, noting, said):
    noting("plain", "plain", name="m")
    noting("new", "new", name="m", parameters={"version": "999"})

    async with Server(repository, transports=[]) as server:
        assert await said(server, "m") == "plain"
        assert await said(server, "m", version="999") == "new"


# --- the end ---


async def test_a_load_that_is_under_way_at_the_stop_is_refused(repository, noting, notes, until):
    noting(load=HELD)
    hold = repository / "hold"
    hold.touch()
    server = Server(repository, transports=[], load_models_at_startup=False)
    await server.start()
    load = asyncio.create_task(server.control.load("m"))
    await until(notes)

    await server.stop()
    hold.unlink()

    with pytest.raises(UnavailableError, match="the server is stopping, so it loads no model"):
        await load
    with pytest.raises(UnavailableError, match="the server is stopping"):
        await server.control.load("m")
    assert server.control.models() == []


async def test_a_model_that_does_not_let_go_does_not_hold_the_stop(said, caplog, monkeypatch):
    monkeypatch.setattr("mlcore.server._LEAST_UNLOAD_S", 0.1)
    asked, let_go = asyncio.Event(), asyncio.Event()

    class Stuck(MLModel):
        async def predict(self, payload):
            asked.set()
            await let_go.wait()
            return InferenceResponse(model_name="m", outputs=[StringCodec.encode_output("y", ["late"])])

    server = Server(models=[ModelSettings(name="stuck", implementation=Stuck)], transports=[], grace_period=0.1)
    await server.start()
    request = asyncio.create_task(said(server, "stuck"))
    await asked.wait()

    await asyncio.wait_for(server.stop(), 60)

    (record,) = [record for record in caplog.records if "left behind" in record.message]
    assert record.what == "model 'stuck'"
    let_go.set()
    assert await request == "late"


async def test_an_engine_that_cannot_unload_is_logged_and_the_server_stops(caplog):
    class FailingEngine(InlineEngine):
        async def load(self, plan):
            loaded = await super().load(plan)
            return LoadedModel(loaded.settings, loaded.metadata, loaded.infer, loaded.stream, self.unload)

        async def unload(self):
            raise ValueError("the engine has gone")

        async def stop(self):
            raise ValueError("and does not stop well")

    class Plugin:
        @hookimpl
        def mlcore_engines(self):
            return {"failing": FailingEngine}

    model = ModelSettings(name="m", implementation=MLModel)

    async with Server(models=[model], plugins=[Plugin], engine="failing", transports=[]) as server:
        assert server.control.is_ready

    assert "model did not unload well" in caplog.text
    assert "the engine has gone" in caplog.text
    assert "the engine did not stop well" in caplog.text


# --- what there is ---


async def test_two_folders_of_one_name_and_version_are_an_error_that_names_both(repository, noting):
    noting("one", name="m")
    noting("deep/two", name="m")

    async with Server(repository, transports=[]) as server:
        assert index(server) == [
            ("m", None, "UNAVAILABLE", "model 'm' is defined twice: in 'deep/two' and in 'one'; rename one of them")
        ]


async def test_a_model_given_in_python_and_found_in_the_repository_is_an_error_that_says_so(repository, noting):
    noting()

    async with Server(repository, models=[ModelSettings(name="m", implementation=MLModel)], transports=[]) as server:
        assert index(server) == [
            (
                "m",
                None,
                "UNAVAILABLE",
                "model 'm' is given in Python, and is in the repository too; rename one of them",
            )
        ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([""], "models[0]: name: missing; a model that is given in Python needs one"),
        (["a", "b", "a"], "models[2]: model 'a' is there already; rename one of them"),
    ],
)
def test_models_given_in_python_need_names_of_their_own(names, message):
    with pytest.raises(SettingsError) as raised:
        Server(models=[ModelSettings(name=name, implementation=MLModel) for name in names], transports=[])

    assert str(raised.value) == message


async def test_models_given_in_python_can_be_loaded_again_and_share_loads(said):
    loads = []

    class Counting(MLModel):
        def load(self):
            loads.append(1)

        def predict(self, payload):
            return InferenceResponse(model_name="m", outputs=[StringCodec.encode_output("y", ["hi"])])

    async with Server(models=[ModelSettings(name="m", implementation=Counting)], transports=[]) as server:
        await asyncio.gather(*(server.control.load("m") for _ in range(20)))
        assert await said(server, "m") == "hi"
    assert len(loads) == 2


async def test_a_file_that_became_broken_shows_in_the_index_before_any_load(repository, noting):
    async with Server(repository, transports=[]) as server:
        (repository / "m").mkdir()
        (repository / "m/model-settings.json").write_text(json.dumps({"implementaton": "x"}))
        ((name, _, state, reason),) = index(server)

    assert (name, state) == ("m", "UNAVAILABLE")
    assert "implementaton: unknown setting; did you mean 'implementation'?" in reason


async def test_a_failed_load_logs_the_path_that_clients_do_not_see(repository, noting, caplog):
    noting(load="open('/no/such/place/weights.bin')")
    caplog.set_level(logging.DEBUG, "mlcore")

    async with Server(repository, transports=[]) as server:
        assert "/no/such" not in index(server)[0][3]

    assert "/no/such/place/weights.bin" in caplog.text
