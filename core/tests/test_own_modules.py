"""The modules beside a model: what it can import, what others see of it, and what is left behind."""

import asyncio
import json
import pickle
import sys
from pathlib import Path

import pytest
from mlcore import MLModel, ModelSettings, Server
from mlcore.errors import ModelLoadError
from mlcore.own_modules import import_own, own_modules
from waiting import HELD


async def test_two_models_with_equal_files_and_helpers_load_their_own(repository, model, saying, said):
    for name in ("a", "b"):
        code = saying("HELP + WHO", imports=f"from helpers import HELP\nWHO = {name!r}")
        model(name, code, modules={"helpers": f"HELP = 'help of {name} for '"})

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "help of a for a"
        assert await said(server, "b") == "help of b for b"


async def test_a_relative_folder_keeps_models_apart_as_well(repository, model, saying, said, monkeypatch):
    for name in ("a", "b"):
        model(name, saying("HELP", imports="from helpers import HELP"), modules={"helpers": f"HELP = {name!r}"})
    monkeypatch.chdir(repository.parent)

    async with Server("models", transports=[]) as server:
        assert await said(server, "a") == "a"
        assert await said(server, "b") == "b"


async def test_nothing_is_left_in_the_interpreter_after_unload(repository, model, saying):
    model("a", saying("1", imports="import helpers, package.inner"), modules={"helpers": "", "package/inner": ""})
    (repository / "a/package/__init__.py").touch()
    before = set(sys.modules), list(sys.path), list(sys.meta_path)

    async with Server(repository, transports=[]) as server:
        assert server.control.is_ready
        assert {"helpers", "my_model", "package", "package.inner"}.isdisjoint(sys.modules)
        assert sys.meta_path == before[2]

    left = {name for name in set(sys.modules) - before[0] if "model" in name and not name.startswith("mlcore")}
    assert not left
    assert (sys.path, sys.meta_path) == (before[1], before[2])
    assert not any(str(repository) in place for place in sys.path_importer_cache)


async def test_nothing_is_left_in_the_interpreter_after_a_failed_load(repository, model):
    model("a", "import helpers\nraise ValueError('no')", modules={"helpers": ""})
    before = set(sys.modules)

    async with Server(repository, transports=[]) as server:
        assert "no" in server.control.index()[0].reason

    left = set(sys.modules) - before
    assert not [name for name in left if name in ("helpers", "my_model") or name.startswith("_mlcore_model_")]


async def test_reloads_leave_one_module_behind_not_one_each(repository, model):
    model("a")
    before = set(sys.modules)

    async with Server(repository, transports=[]) as server:
        for _ in range(3):
            await server.control.load("a")
        assert len([name for name in set(sys.modules) - before if name.startswith("_mlcore_model_")]) == 1


async def test_installed_packages_below_the_model_folder_stay_imported(repository, model, saying, said):
    """A virtual environment often lies in the folder that is served."""
    library = repository / "a/.venv/lib/site"
    library.mkdir(parents=True)
    (library / "installed_below.py").write_text("VALUE = 5")
    model(
        "a",
        saying(
            "installed_below.VALUE", imports=f"import sys; sys.path.append({str(library)!r})\nimport installed_below"
        ),
    )

    try:
        async with Server(repository / "a", transports=[]) as server:
            assert await said(server, "a") == "5"
            assert "installed_below" in sys.modules
    finally:
        sys.path.remove(str(library))
        del sys.modules["installed_below"]


async def test_a_file_named_like_a_module_of_the_standard_library_is_the_models_only(repository, model, saying, said):
    model("a", saying("json.dumps([1])", imports="import json"), modules={"json": saying("'own json'")})
    model("b", "", implementation="json.MyModel", modules={"json": saying("'own json'")})

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "[1]"
        assert await said(server, "b") == "own json"
        assert sys.modules["json"] is json


async def test_a_module_of_the_standard_library_that_nobody_has_imported_yet_is_not_replaced(
    repository, model, saying, said, monkeypatch
):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    model("a", saying("colorsys.rgb_to_hsv(0, 0, 0)", imports="import colorsys"), modules={"colorsys": ""})

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "(0.0, 0.0, 0)"


async def test_a_folder_named_like_an_installed_package_does_not_hide_it(
    repository, model, saying, said, tmp_path, monkeypatch
):
    """A model called like its library is common: `models/joblib/model-settings.json`."""
    library = tmp_path / "library/some_library"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("VALUE = 'the library'")
    monkeypatch.syspath_prepend(str(library.parent))
    model("some_library", saying("VALUE", imports="from some_library import VALUE"))

    async with Server(repository, transports=[]) as server:
        assert await said(server, "some_library") == "the library"
    del sys.modules["some_library"]


async def test_siblings_can_be_imported_inside_load(repository, model, saying, said):
    code = saying("self.value", load="import helpers, more.deep; self.value = helpers.VALUE + more.deep.VALUE")
    model("a", code, modules={"helpers": "VALUE = 1", "more/deep": "VALUE = 2"})

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "3"


async def test_modules_in_the_repository_are_shared_by_its_models(repository, model, saying, said):
    (repository / "shared.py").write_text("VALUE = 'shared'")
    model("a", saying("shared.VALUE", imports="import shared"))
    model("deep/b", saying("shared.VALUE", imports="import shared"))
    model("c", "", implementation="in_root.MyModel")
    (repository / "in_root.py").write_text(saying("'from the root'"))

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "shared"
        assert await said(server, "b") == "shared"
        assert await said(server, "c") == "from the root"
        assert "shared" not in sys.modules


async def test_an_own_module_comes_before_that_of_the_repository(repository, model, saying, said):
    (repository / "helpers.py").write_text("VALUE = 'shared'")
    model("a", saying("helpers.VALUE", imports="import helpers"), modules={"helpers": "VALUE = 'own'"})

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "own"


@pytest.mark.parametrize("implementation", ["package.inner.MyModel", "package.inner:MyModel", "bare.inner.MyModel"])
async def test_a_dotted_package_of_the_model_folder_works(repository, model, saying, said, implementation):
    code = saying("VALUE + other.VALUE", imports="from . import other\nfrom .other import VALUE")
    for name in ("package", "bare"):  # the second has no __init__.py
        model("a", "", implementation=implementation, modules={f"{name}/inner": code, f"{name}/other": "VALUE = 'x'"})
    (repository / "a/package/__init__.py").touch()

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "xx"
        assert "package" not in sys.modules


async def test_a_package_itself_may_hold_the_class(repository, model, saying, said):
    code = saying("VALUE", imports="from .inner import VALUE")
    model("a", "", implementation="package.MyModel", modules={"package/__init__": code, "package/inner": "VALUE = 7"})

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "7"


async def test_a_package_that_is_imported_from_elsewhere_is_not_mistaken_for_the_models(repository, model):
    model("a", "", implementation="pluggy.inner.MyModel", modules={"pluggy/inner": ""})

    async with Server(repository, transports=[]) as server:
        (item,) = server.control.index()

    assert "the name 'pluggy' belongs to a package that the server has imported; rename the model's" in item.reason


async def test_a_package_that_is_imported_already_from_the_folder_is_used(repository, model, saying, said, monkeypatch):
    model("a", "", implementation="known_package.inner.MyModel", modules={"known_package/inner": saying("'known'")})
    (repository / "a/known_package/__init__.py").touch()
    monkeypatch.syspath_prepend(str(repository / "a"))
    import known_package

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "known"
        assert sys.modules.pop("known_package") is known_package
    sys.modules.pop("known_package.inner")


async def test_a_pickle_finds_the_classes_of_the_model_and_of_its_siblings(repository, model, saying, said, run):
    """An artefact is often pickled by a training script that imports them by their plain names."""
    things = "class Thing:\n    value = 'thing'\n"
    load = "import pickle; self.things = pickle.loads((self.settings.folder / 'things.pkl').read_bytes())"
    folder = model("a", saying("self.things", load=load) + things, modules={"helpers": things})
    program = """
        import pickle, my_model, helpers
        from pathlib import Path
        Path("things.pkl").write_bytes(pickle.dumps([my_model.Thing(), helpers.Thing()]))
    """
    run(program=program, cwd=folder).check_returncode()

    async with Server(repository, transports=[]) as server:
        answer = await said(server, "a")

    assert "Thing object" in answer
    assert "helpers.Thing" in answer


async def test_what_a_pickle_holds_is_of_the_class_that_the_model_knows(repository, model, saying, said):
    load = "import pickle; self.same = type(pickle.loads(b'\\x80\\x04cmy_model\\nThing\\n)R.')) is Thing"
    model("a", saying("self.same", load=load) + "\n\nclass Thing:\n    pass\n")

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "True"


async def test_a_model_may_pickle_its_own_objects_while_it_serves(repository, model, saying, said):
    model(
        "a",
        saying("type(pickle.loads(pickle.dumps(Thing()))) is Thing", imports="import pickle") + "\n\nclass Thing: ...",
    )

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "True"


async def test_a_runtime_of_a_plugin_may_import_the_modules_of_the_folder_while_it_loads(
    repository, model, plugin, saying, said
):
    plugin(
        "runtime-unpickle",
        """
from mlcore import hookimpl

@hookimpl
def mlcore_runtimes():
    return {"unpickle": "runtime_unpickle_model:MyModel"}
""",
    )
    (plugin.folder / "runtime_unpickle_model.py").write_text(
        saying("self.value", load="import helpers; self.value = helpers.VALUE")
    )
    for name in ("a", "b"):
        model(name, "", implementation="unpickle", modules={"helpers": f"VALUE = {name!r}"})

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "a"
        assert await said(server, "b") == "b"
    del sys.modules["runtime_unpickle_model"]


async def test_an_edit_within_the_same_second_and_of_the_same_size_is_seen(repository, model, saying, said):
    model("a", saying("helpers.VALUE", imports="import helpers"), modules={"helpers": "VALUE = 1"})

    async with Server(repository, transports=[]) as server:
        assert await said(server, "a") == "1"
        (repository / "a/helpers.py").write_text("VALUE = 2")
        await server.control.load("a")
        assert await said(server, "a") == "2"


async def test_no_compiled_files_are_left_in_the_repository(repository, model, saying):
    model("a", saying("1", imports="import helpers, package.inner"), modules={"helpers": "", "package/inner": ""})

    async with Server(repository, transports=[]) as server:
        assert server.control.is_ready

    assert not list(repository.rglob("__pycache__"))


async def test_a_relative_import_in_a_lone_file_fails_with_its_own_words(repository, model):
    model("a", "from .helpers import x", modules={"helpers": "x = 1"})

    async with Server(repository, transports=[]) as server:
        (item,) = server.control.index()

    assert "attempted relative import with no known parent package (line 1 of my_model.py)" in item.reason


async def test_loads_of_two_servers_take_turns(repository, model, saying, said, tmp_path):
    """What can be imported belongs to the process, not to a server."""
    slow = "import time; time.sleep(0.05); import helpers; self.value = helpers.VALUE"
    for name in ("one", "two"):
        model(f"{name}/m", saying("self.value", load=slow), modules={"helpers": f"VALUE = {name!r}"})

    async with Server(repository / "one", transports=[]) as one, Server(repository / "two", transports=[]) as two:
        await asyncio.gather(*(server.control.load("m") for server in (one, two) for _ in range(2)))
        assert await said(one, "m") == "one"
        assert await said(two, "m") == "two"


async def test_a_slow_load_with_own_modules_does_not_keep_others_from_loading(repository, model, saying, until):
    class Plain(MLModel):
        pass

    hold = repository / "hold"
    hold.touch()
    model("slow", saying("1", load=HELD))
    plain = ModelSettings(name="plain", implementation=Plain)
    server = Server(repository, models=[plain], transports=[])
    starting = asyncio.create_task(server.start())

    await until(lambda: "plain" in server.control.models())

    assert not starting.done()
    hold.unlink()
    await starting
    await server.stop()


async def test_code_outside_the_load_does_not_see_the_modules(repository, model, saying, until):
    hold = repository / "hold"
    hold.touch()
    model("a", saying("1", load=HELD, imports="import helpers"), modules={"only_here": "", "helpers": ""})
    server = Server(repository, transports=[])
    starting = asyncio.create_task(server.start())
    await until(lambda: "my_model" in sys.modules)

    with pytest.raises(ModuleNotFoundError):
        import only_here  # noqa: F401

    hold.unlink()
    await starting
    await server.stop()


def test_own_modules_works_without_a_server_and_nested(tmp_path):
    (tmp_path / "helpers_of_a_script.py").write_text("VALUE = 1")

    with own_modules(tmp_path), own_modules(tmp_path):
        import helpers_of_a_script

    assert helpers_of_a_script.VALUE == 1
    assert "helpers_of_a_script" not in sys.modules


@pytest.mark.parametrize("folder", [None, Path("nowhere")])
def test_own_modules_of_no_folder_does_nothing(folder):
    before = list(sys.meta_path)

    with own_modules(folder):
        assert sys.meta_path == before


def test_a_file_can_be_imported_without_a_load(tmp_path):
    file = tmp_path / "my_model.py"
    file.write_text("VALUE = 3")

    module = import_own("my_model", file)

    assert module.VALUE == 3
    assert "my_model" not in sys.modules
    assert pickle.loads(pickle.dumps(module.__name__)).startswith("_mlcore_model_")
    del sys.modules[module.__name__]


def test_the_interpreter_of_a_server_keeps_its_own_json(run, repository, model, saying):
    model("a", saying("1"), modules={"json": "raise SystemExit('shadowed')", "mlcore": "raise SystemExit('shadowed')"})

    done = run("check", repository)

    assert done.stdout == "1 model checked, 0 problems\n"
    assert done.stderr == ""


async def test_a_module_that_asks_for_a_name_nobody_has_says_so(repository, model):
    model("a", "import nowhere_to_be_found")

    async with Server(repository, transports=[]) as server:
        with pytest.raises(ModelLoadError, match="needs the module 'nowhere_to_be_found', which is neither in"):
            await server.control.load("a")


def test_an_import_that_another_thread_has_begun_keeps_its_finders(tmp_path):
    (tmp_path / "model.py").touch()

    with own_modules(tmp_path):
        begun = sys.meta_path
        finders = list(begun)

    assert begun == finders
    assert sys.meta_path == finders[1:]
