"""The watch: what changes in the repository is loaded, but only when it is whole, and at the cost of no request."""

import asyncio
import json
import os
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from mlcore import MLModel, ModelSettings, Server
from mlcore.errors import ModelNotFoundError, UnavailableError
from mlcore.repository import ModelRepository, RepositoryEntry
from mlcore.repository.watch import Watch
from saying import say


@pytest.fixture
def watching(repository):
    """Return a function that makes a server which watches the repository."""

    def watching(root=None, settle_s=0.05, **options):
        return Server(root or repository, transports=[], watch=True, watch_settle=settle_s, **options)

    return watching


@pytest.fixture
def says(said, until):
    """Return a function that waits until a model says something."""

    async def says(server, text, name="m", version=None):
        async def now():
            try:
                return await said(server, name, version)
            except (ModelNotFoundError, UnavailableError) as error:
                return type(error)

        async with asyncio.timeout(60):
            while await now() != text:
                await asyncio.sleep(0.01)

    return says


def index(server):
    return [(item.name, item.version, item.state, item.reason) for item in server.control.index()]


async def has_reason(server, until, text):
    await until(lambda: any(text in item[3] for item in index(server)), 60)


# --- edits, new models, models that go ---


async def test_an_edit_of_any_file_is_loaded_and_an_untouched_model_is_not(repository, watching, says):
    say(repository / "m", "{text}")
    (repository / "m/text").write_text("one")
    say(repository / "other", "other")

    async with watching() as server:
        loads = dict(server.control.lifecycle.registry.served())
        (repository / "m/text").write_text("two")
        await says(server, "two")
        say(repository / "m", "code {text}")
        await says(server, "code two")
        assert server.control.lifecycle.registry.served()["other", None] is loads["other", None]
        assert server.control.is_ready


async def test_without_the_setting_nothing_is_watched(repository):
    async with Server(repository, transports=[]) as server:
        assert server._watch is None


async def test_a_new_folder_is_loaded_and_one_that_is_gone_is_unloaded_and_may_come_back(
    repository, watching, says, until
):
    async with watching() as server:
        for _ in range(2):
            say(repository / "deep/m", "hello", name="m")
            await says(server, "hello")
            shutil.rmtree(repository / "deep")
            await says(server, ModelNotFoundError)
            await until(lambda: index(server) == [], 60)
            assert server.control.is_ready


async def test_settings_that_are_gone_unload_the_model_though_its_files_are_there(repository, watching, says):
    say(repository / "m", "one")

    async with watching() as server:
        (repository / "m/model-settings.json").rename(repository / "m/settings-away.json")
        await says(server, ModelNotFoundError)
        (repository / "m/settings-away.json").rename(repository / "m/model-settings.json")
        await says(server, "one")


async def test_a_model_that_moves_to_another_folder_is_loaded_from_there(repository, watching, says):
    say(repository / "a", "one", name="m")
    (repository / "a/text").write_text("in a")

    async with watching() as server:
        say(repository / "a", "{text}", name="m")
        await says(server, "in a")
        (repository / "a").rename(repository / "b")
        await has_folder(server, repository / "b")


async def has_folder(server, folder):
    async with asyncio.timeout(60):
        while server.control.lifecycle.registry.served()["m", None].model.settings.folder != folder:
            await asyncio.sleep(0.01)


async def test_a_new_version_answers_before_the_one_that_is_gone_ends(repository, watching, said, says):
    """Between the two, every request gets an answer."""
    say(repository / "m", "1", parameters={"version": "1"})
    answers, is_over = [], asyncio.Event()

    async def client(server):
        while not is_over.is_set():
            answers.append(await said(server, "m"))
            await asyncio.sleep(0.001)

    async with watching() as server:
        asking = asyncio.create_task(client(server))
        say(repository / "next", "2", load="import time; time.sleep(0.3)", name="m", parameters={"version": "2"})
        shutil.rmtree(repository / "m")
        await says(server, "2")
        await says(server, ModelNotFoundError, version="1")
        is_over.set()
        await asking

    assert set(answers) == {"1", "2"}


async def test_a_version_that_is_gone_answers_on_while_its_successor_cannot_be_loaded(
    repository, watching, said, says, until
):
    say(repository / "v1", "1", name="m", parameters={"version": "1"})

    async with watching() as server:
        say(repository / "v2", "2", load="1 / 0", name="m", parameters={"version": "2"})
        (repository / "v1").rename(repository / ".away")
        await has_reason(server, until, "ZeroDivisionError")
        await has_reason(server, until, "its settings are gone; it answers until another version is ready")
        assert await said(server, "m") == "1"
        assert server.control.is_ready

        (repository / ".away").rename(repository / "v1")
        await until(lambda: index(server)[0] == ("m", "1", "READY", ""), 60)
        (repository / "v1").rename(repository / ".away")
        say(repository / "v2", "2", name="m", parameters={"version": "2"})
        await says(server, ModelNotFoundError, version="1")
        assert await said(server, "m") == "2"
        await until(lambda: index(server) == [("m", "2", "READY", "")], 60)


# --- what is broken or half there ---


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("model-settings.json", "{", "not valid JSON"),
        ("model-settings.json", '{"implementation": "my_model.MyModel", "nmae": 1}', "nmae: unknown setting"),
        ("my_model.py", "1 / 0", "fails to import: ZeroDivisionError"),
    ],
)
async def test_a_broken_edit_keeps_the_old_model_and_the_index_and_the_log_say_why(
    repository, watching, said, says, until, caplog, file, text, reason
):
    say(repository / "m", "one")

    async with watching() as server:
        (repository / "m" / file).write_text(text)
        await has_reason(server, until, reason)
        assert index(server)[0][:3] == ("m", None, "READY")
        assert index(server)[0][3].startswith("the last load failed: ")
        assert await said(server, "m") == "one"
        assert server.control.is_ready
        assert reason in "".join(record.__dict__.get("reason", "") for record in caplog.records)

        say(repository / "m", "two")
        await says(server, "two")
        assert index(server) == [("m", None, "READY", "")]


async def test_a_load_that_failed_is_not_tried_again_before_the_next_change(repository, watching, says, until, caplog):
    caplog.set_level("INFO", "mlcore.watch")
    say(repository / "m", "one")

    async with watching() as server:
        say(repository / "m", "one", load="1 / 0")
        await has_reason(server, until, "ZeroDivisionError")
        say(repository / "mark", "mark")
        await says(server, "mark", name="mark")  # which took some looks

    assert [record.model for record in caplog.records if "has changed" in record.message] == ["m"]


async def test_a_new_model_that_is_broken_does_not_make_the_server_not_ready(repository, watching, says, until, caplog):
    async with watching() as server:
        say(repository / "failing", "x", load="1 / 0")
        (repository / "unreadable").mkdir()
        (repository / "unreadable/model-settings.json").write_text("{")
        await has_reason(server, until, "ZeroDivisionError")
        await until(lambda: "a new model is not loaded" in caplog.text, 60)
        assert [(item[0], item[2]) for item in index(server)] == [
            ("failing", "UNAVAILABLE"),
            ("unreadable", "UNAVAILABLE"),
        ]
        assert server.control.is_ready

        for name in ("failing", "unreadable"):
            say(repository / name, "mended")
            await says(server, "mended", name=name)


async def test_a_model_that_failed_at_the_start_is_ready_once_it_is_mended_or_gone(repository, watching, says, until):
    say(repository / "m", "x", load="1 / 0")
    say(repository / "n", "x", load="1 / 0")

    async with watching() as server:
        assert not server.control.is_ready
        say(repository / "m", "mended")
        await says(server, "mended")
        shutil.rmtree(repository / "n")
        await until(lambda: server.control.is_ready, 60)
        await until(lambda: index(server) == [("m", None, "READY", "")], 60)


async def test_files_that_still_arrive_are_waited_for(repository, says, until):
    say(repository / "m", "{text}")

    async with Server(repository, transports=[]) as server:
        watch = Watch(server.control.inventory, server.control.lifecycle, settle_s=10, loads_new=True)
        watch._known = watch._look().stamps
        for second in range(100):
            (repository / "m/text").write_text(f"{second} parts")
            watch._compare(watch._look(), second)
        watch._compare(watch._look(), 108)
        assert not watch._tasks
        watch._compare(watch._look(), 109)
        await says(server, "99 parts")
        await until(lambda: not watch._tasks, 60)
        watch._compare(watch._look(), 1000)
        assert not watch._tasks


async def test_what_is_no_part_of_a_model_is_no_change(repository, watching, says, caplog):
    caplog.set_level("INFO", "mlcore.watch")
    say(repository / "m", "one")

    async with watching() as server:
        for file in (".hidden", "my_model.py~", "weights.part", "__pycache__/x.pyc", ".git/index"):
            (repository / "m" / file).parent.mkdir(exist_ok=True)
            (repository / "m" / file).write_text("x")
        os.utime(repository / "m/my_model.py", (1, 1))
        say(repository / "m/nested", "nested")
        await says(server, "nested", name="nested")

    assert [record.model for record in caplog.records if record.name == "mlcore.watch"] == ["nested"]


async def test_a_model_that_changes_with_each_load_is_loaded_less_and_less_often(repository, until, caplog):
    say(repository / "m", "one", load="import time; (file.parent / 'log').write_text(str(time.time_ns()))")
    loads = []

    async with Server(repository, transports=[]) as server:
        watch = Watch(server.control.inventory, server.control.lifecycle, settle_s=30, loads_new=True)
        watch._known = watch._look().stamps
        (repository / "m/log").write_text("first")
        for second in range(0, 3000, 10):
            watch._compare(watch._look(), second)
            if watch._tasks:
                loads.append(second)
                await until(lambda: not watch._tasks, 60)

        breaks = [later - earlier for earlier, later in pairwise(loads)]
        assert breaks[:3] == [40, 40, 40]  # the look that sees an edit, and half a minute without another one
        assert sorted(breaks) == breaks
        assert breaks[-1] == 310
        assert caplog.text.count("changes again and again") == 1

        # One that is left alone for long is followed at once again.
        say(repository / "m", "two")
        for second in (90_000, 90_300, 100_000):
            watch._compare(watch._look(), second)
            await until(lambda: not watch._tasks, 60)
        say(repository / "m", "three")
        watch._compare(watch._look(), 200_000)
        watch._compare(watch._look(), 200_030)
        assert watch._tasks
        await until(lambda: not watch._tasks, 60)


# --- links that are exchanged ---


async def test_a_volume_of_kubernetes_that_is_exchanged_loads_only_what_is_different(repository, watching, says, until):
    """Every file of the new state is another one; that of one model has another content too."""

    def state(name, text):
        for model, what in (("m", text), ("same", "same")):
            say(repository / name / model, what)
        (repository / "..data_tmp").symlink_to(name)
        (repository / "..data_tmp").rename(repository / "..data")

    state("..2026_01", "one")
    (repository / "same").symlink_to("..data/same")
    (repository / "m").mkdir()
    for file in ("model-settings.json", "my_model.py"):
        (repository / "m" / file).symlink_to(f"../..data/m/{file}")

    async with watching() as server:
        await says(server, "one")
        before = server.control.lifecycle.registry.served()["same", None]
        state("..2026_02", "two")
        shutil.rmtree(repository / "..2026_01")
        await says(server, "two")
        assert server.control.lifecycle.registry.served()["same", None] is before
        await says(server, "same", name="same")


async def test_a_served_link_that_git_sync_exchanges_is_followed(repository, watching, says):
    say(repository / ".worktrees/abc/m", "one")
    say(repository / ".worktrees/def/m", "two")
    say(repository / ".worktrees/def/new", "new")
    (repository / "current").symlink_to(".worktrees/abc")

    for root in (repository / "current", repository):
        async with watching(root) as server:
            await says(server, "one")
            (repository / "link").symlink_to(".worktrees/def")
            (repository / "link").rename(repository / "current")
            await says(server, "two")
            await says(server, "new", name="new")
            (repository / "link").symlink_to(".worktrees/abc")
            (repository / "link").rename(repository / "current")
            await says(server, "one")
            await says(server, ModelNotFoundError, name="new")


# --- what clients want ---


async def test_what_a_client_has_unloaded_stays_so(repository, watching, says):
    say(repository / "m", "one")

    async with watching() as server:
        await server.control.unload("m")
        say(repository / "m", "two")
        say(repository / "mark", "mark")
        await says(server, "mark", name="mark")
        assert index(server)[0] == ("m", None, "UNAVAILABLE", "")
        await server.control.load("m")
        say(repository / "m", "three")
        await says(server, "three")


async def test_where_nothing_is_loaded_at_the_start_only_what_clients_loaded_is_watched(repository, watching, says):
    for name in "ab":
        say(repository / name, "one")

    async with watching(load_models_at_startup=False) as server:
        await server.control.load("a")
        for name in "abc":
            say(repository / name, "two")
        await says(server, "two", name="a")
        assert [(item[0], item[2]) for item in index(server)] == [
            ("a", "READY"),
            ("b", "UNAVAILABLE"),
            ("c", "UNAVAILABLE"),
        ]


# --- the repository itself ---


async def test_a_folder_that_cannot_be_read_for_a_while_unloads_nothing(
    repository, watching, said, says, until, caplog
):
    caplog.set_level("INFO", "mlcore.watch")
    say(repository / "m", "one")

    async with watching() as server:
        repository.rename(repository.parent / "away")
        await until(lambda: "the repository cannot be watched" in caplog.text, 60)
        assert await said(server, "m") == "one"
        (repository.parent / "away").rename(repository)
        await until(lambda: "the repository is watched again" in caplog.text, 60)
        say(repository / "m", "two")
        await says(server, "two")

    assert caplog.text.count("the repository cannot be watched") == 1


@pytest.fixture
def elsewhere(repository):
    """Return an empty folder on another device."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == repository.stat().st_dev:
        pytest.skip("there is no second device")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


async def test_a_volume_that_is_taken_away_unloads_nothing(repository, elsewhere, watching, said, until, caplog):
    """Another device stands for it, which is empty as its mount point would be."""
    say(repository / "m", "one")
    link = repository.parent / "link"
    link.symlink_to(repository)
    async with watching(link) as server:
        (repository.parent / "other").symlink_to(elsewhere)
        (repository.parent / "other").rename(link)
        await until(lambda: "the repository cannot be watched" in caplog.text, 60)
        assert await said(server, "m") == "one"


class Table(ModelRepository):
    """Models out of a table that a test changes, or that cannot be read."""

    def __init__(self, root, table):
        super().__init__(root)
        self.table = table

    def stamp(self, entry):
        if entry.name == "odd":
            raise LookupError("no stamp")
        return super().stamp(entry)

    def entries(self):
        return [
            RepositoryEntry(name, None, ModelSettings(name=name, implementation=MLModel, platform=platform.upper()))
            for name, platform in self.table
        ]


async def test_a_repository_of_ones_own_is_watched_too(repository, watching, until, caplog):
    table = [("m", "one")]

    async with watching(
        model_repository_implementation=Table, model_repository_implementation_args={"table": table}
    ) as server:
        table[:] = [("m", "two")]
        await until(lambda: server.control.model_metadata("m").platform == "TWO", 60)
        table[:] = [("m", "two"), ("n", "new")]
        await until(lambda: server.control.models() == ["m", "n"], 60)
        table[:] = [("m", None)]
        await until(lambda: caplog.records, 60)
        assert caplog.records[0].reason.startswith("the model repository cannot be read: AttributeError: 'NoneType'")
        assert [item.state for item in server.control.index()] == ["READY", "READY"]
        table[:] = [("n", "new"), ("odd", "odd")]
        await until(lambda: len(caplog.records) == 2, 60)
        assert caplog.records[1].reason == "the model repository cannot be read: LookupError: no stamp"
        table[:] = [("n", "new")]
        await until(lambda: server.control.models() == ["n"], 60)


async def test_a_repository_of_ones_own_may_do_without_the_folder(until):
    table = [("m", "one")]
    options = {"model_repository_implementation": Table, "model_repository_implementation_args": {"table": table}}

    async with Server(
        model_repository_root="nowhere", transports=[], watch=True, watch_settle=0.05, **options
    ) as server:
        table[:] = [("m", "two")]
        await until(lambda: server.control.model_metadata("m").platform == "TWO", 60)


async def test_models_given_in_python_alone_are_not_watched():
    async with Server(models=[ModelSettings(name="m", implementation=MLModel)], transports=[], watch=True) as server:
        assert server._watch is None


async def test_a_server_that_stops_gives_up_a_load_of_the_watch(repository, watching, until):
    say(repository / "m", "one")

    async with watching() as server:
        say(repository / "m", "one", load="while True: await asyncio.sleep(0.01)")
        await until(lambda: server._watch._tasks, 60)

    assert not server._watch._tasks


def test_the_settings_are_read_from_a_file(repository):
    (repository / "settings.json").write_text(json.dumps({"watch": True, "watch_settle": 5, "transports": []}))

    assert Server(repository)._watch._settle_s == 5
