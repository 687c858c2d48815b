"""From settings to a model object: what can be an implementation, and what an operator reads where it cannot."""

import sys

import pytest
from mlcore import MLModel, ModelSettings, Server
from mlcore.errors import ModelLoadError
from mlcore.loading import make_model, make_plan
from mlcore.plugins import Plugins


class Plain(MLModel):
    pass


def made(implementation, **settings):
    plugins = Plugins()
    return make_model(
        make_plan(ModelSettings(name="m", implementation=implementation, **settings), plugins, None), plugins
    )


@pytest.fixture
def reason(repository, model):
    """Return a function that gives why a model with some code is not ready."""

    async def reason(code="", implementation="my_model.MyModel", **modules):
        model("m", code, implementation=implementation, modules=modules)
        async with Server(repository, transports=[]) as server:
            (item,) = server.control.index()
        assert item.state == "UNAVAILABLE"
        assert "\n" not in item.reason
        assert str(repository) not in item.reason
        return item.reason

    return reason


def test_a_class_given_in_python_is_made():
    assert isinstance(made(Plain), Plain)


@pytest.mark.parametrize(
    "implementation",
    ["os.system", "subprocess.Popen", "builtins.eval", "builtins:dict", "mlcore.settings.ModelSettings", dict, type],
)
def test_what_is_no_class_of_models_is_refused_before_it_is_called(implementation):
    with pytest.raises(ModelLoadError, match=r"is not a class of models; it must subclass mlcore.MLModel"):
        made(implementation)


@pytest.mark.parametrize("implementation", [len, Plain(ModelSettings(name="m", implementation=Plain)), 3, None])
def test_what_is_neither_text_nor_class_is_refused_by_the_settings(implementation):
    with pytest.raises(ValueError, match="expected an import string or a class"):
        ModelSettings(name="m", implementation=implementation)


@pytest.mark.parametrize("name", ["function", "instance", "Other"])
async def test_what_a_module_has_under_the_name_has_to_be_a_class_of_models(reason, name):
    code = """
        class Other:
            called = False
            def __init__(self, *arguments):
                raise SystemExit("it was called")

        def function(settings):
            raise SystemExit("it was called")

        instance = 5
    """

    assert await reason(code, f"my_model.{name}") == (
        f"implementation: 'my_model.{name}' is not a class of models; it must subclass mlcore.MLModel"
    )


async def test_a_missing_class_names_those_that_are_there(reason):
    code = "from mlcore import MLModel\nclass One(MLModel): ...\nclass Two(MLModel): ...\n"

    assert await reason(code, "my_model.Three") == (
        "implementation: the module 'my_model' has no 'Three'; its models are: One, Two"
    )


async def test_a_missing_class_in_a_module_without_models_says_so(reason):
    assert await reason("", "my_model.Three") == (
        "implementation: the module 'my_model' has no 'Three'; it has no model at all"
    )


async def test_a_class_inside_a_class_can_be_named(repository, model, said, saying):
    code = saying("'nested'").replace("class MyModel", "class Inner") + "\n\nclass Outer:\n    Nested = Inner\n"
    model("m", code, implementation="my_model:Outer.Nested")

    async with Server(repository, transports=[]) as server:
        assert await said(server, "m") == "nested"


async def test_a_missing_module_says_where_it_was_looked_for(reason):
    assert await reason("", "nowhere.MyModel") == (
        "implementation: 'nowhere.MyModel': there is no module 'nowhere', neither in the model's folder nor installed"
    )


@pytest.mark.parametrize(
    ("implementation", "plugin"),
    [("mlserver_wave.WaveModel", "runtime-wave"), ("mlserver_big_wave.inner.WaveModel", "runtime-big-wave")],
)
async def test_a_folder_of_another_server_says_which_plugin_may_be_missing(reason, implementation, plugin):
    assert (await reason("", implementation)).endswith(
        f"neither in the model's folder nor installed; a plugin for it may be installable as {plugin}"
    )


async def test_a_missing_inner_module_is_named_whole(reason):
    assert await reason("", "importlib.nowhere.MyModel") == (
        "implementation: 'importlib.nowhere.MyModel': there is no module 'importlib.nowhere', neither in the model's "
        "folder nor installed"
    )


@pytest.mark.parametrize(
    ("code", "needed", "install"),
    [
        ("import lightgbm_x", "lightgbm_x", "lightgbm_x"),
        ("import cv2_x.inner", "cv2_x", "cv2_x"),
        ("import cv2", "cv2", "opencv-python-headless"),
    ],
)
async def test_a_module_that_is_not_installed_is_named_with_what_to_install(reason, code, needed, install):
    assert await reason(code) == (
        f"implementation: 'my_model.MyModel' needs the module '{needed}', which is neither in the model's folder nor "
        f"installed; put it there, or install it where the server runs: pip install {install}"
    )


async def test_names_of_another_server_are_answered_with_how_to_get_them(reason, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlserver", None)  # as if what provides it were not installed

    assert await reason("from mlserver import MLModel") == (
        "implementation: 'my_model.MyModel' needs the module 'mlserver', whose names mlcore has as well: install "
        "mlcore-mlserver, which provides it, or write mlcore instead of mlserver in its imports"
    )


async def test_a_name_of_another_server_that_nobody_provides_is_named_whole(reason):
    assert await reason("import mlserver.nothing_like_it") == (
        "implementation: 'my_model.MyModel' needs the module 'mlserver.nothing_like_it', which is not among the names "
        "of MLServer that mlcore-mlserver provides"
    )


async def test_a_runtime_of_another_server_is_not_to_be_installed(reason):
    assert await reason("from mlserver_wave import WaveModel") == (
        "implementation: 'my_model.MyModel' needs the module 'mlserver_wave', a runtime that needs MLServer itself; "
        "let the model's class use mlcore's, or the library itself; a plugin for it may be installable as runtime-wave"
    )


async def test_nobody_is_told_to_install_mlcore_from_a_public_index(reason):
    assert await reason("import mlcore.nothing_like_it") == (
        "implementation: 'my_model.MyModel' needs the module 'mlcore.nothing_like_it', which this version of mlcore "
        "does not have"
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("class MyModel(:\n", "SyntaxError: invalid syntax (my_model.py, line 1)"),
        ("\n\n1 / 0\n", "ZeroDivisionError: division by zero (line 3 of my_model.py)"),
        ("import sys\nsys.exit(3)", "SystemExit: 3 (line 2 of my_model.py)"),
        ("from helpers import x", "ValueError: bad helper (line 1 of my_model.py)"),
        ("from math import nothing", "ImportError: cannot import name 'nothing' from 'math'"),
        ("open('/no/such/place/x.bin')", "FileNotFoundError: [Errno 2] No such file or directory: 'x.bin' (line 1"),
        ("raise ValueError('one\\n\\n  two')", "ValueError: one; two (line 1 of my_model.py)"),
    ],
)
async def test_a_module_that_fails_says_why_and_where_without_paths(reason, code, expected):
    text = await reason(code, helpers="raise ValueError('bad helper')")

    assert text.startswith(f"implementation: the module 'my_model' fails to import: {expected}")


@pytest.mark.parametrize("error", ["ValueError('bad')", "SystemExit('bad')"])
async def test_a_constructor_that_raises_is_named(reason, error):
    code = f"""
        from mlcore import MLModel

        class MyModel(MLModel):
            def __init__(self, settings):
                raise {error}
    """

    assert await reason(code) == f"MyModel(settings) raised {error.partition('(')[0]}: bad"


async def test_a_constructor_that_says_why_itself_is_quoted(reason):
    code = """
        from mlcore import MLModel
        from mlcore.errors import ModelLoadError

        class MyModel(MLModel):
            def __init__(self, settings):
                raise ModelLoadError("parameters.extra.size: missing")
    """

    assert await reason(code) == "parameters.extra.size: missing"


async def test_a_constructor_that_forgets_its_base_is_told_so(reason):
    code = "from mlcore import MLModel\nclass MyModel(MLModel):\n    def __init__(self, settings):\n        pass\n"

    assert await reason(code) == "MyModel.__init__ has to call super().__init__(settings)"


def test_a_relative_module_name_is_no_module():
    with pytest.raises(ModelLoadError, match="is no import path"):
        made(".MyModel")


async def test_a_plugin_may_make_what_no_name_covers(plugin):
    plugin(
        "runtime-bridge",
        """
from mlcore import MLModel, hookimpl

class Bridge(MLModel):
    pass

@hookimpl
def mlcore_load(settings):
    return Bridge(settings) if settings.implementation.startswith("bridge") else None
""",
    )

    assert type(made("bridge_to_nowhere.Somewhere")).__name__ == "Bridge"
    assert type(made("bridgehead")).__name__ == "Bridge"
    with pytest.raises(ModelLoadError, match="no runtime is called 'other'"):
        made("other")


def test_a_plugin_is_not_asked_where_the_module_exists(plugin):
    plugin(
        "runtime-bridge",
        "from mlcore import hookimpl\n\n@hookimpl\ndef mlcore_load(settings):\n    raise ValueError('asked')\n",
    )

    assert isinstance(made(Plain), Plain)
    with pytest.raises(ModelLoadError, match="is not a class of models"):
        made("os.system")


def test_a_plan_holds_no_class_unless_one_was_given():
    plan = make_plan(ModelSettings(name="m", implementation="a.B"), Plugins(), None)

    assert (plan.target.module, plan.target.given) == ("a", None)
    assert "a" not in sys.modules


def test_a_class_of_the_script_itself_can_be_named(run):
    program = """
        from mlcore import MLModel, ModelSettings
        from mlcore.loading import make_model, make_plan
        from mlcore.plugins import Plugins

        class Own(MLModel):
            pass

        plugins = Plugins()
        settings = ModelSettings(name="m", implementation="__main__.Own")
        print(type(make_model(make_plan(settings, plugins, None), plugins)) is Own)
    """

    assert run(program=program).stdout == "True\n"
