"""Plugins: really installed ones, broken in every way, and each hook in its place."""

import sys
import textwrap

import pytest
from mlcore import MLModel, ModelSettings, Server, Settings, hookimpl
from mlcore.engine import Call
from mlcore.errors import AmbiguousNameError, PluginError, UnknownNameError
from mlcore.plugins import Plugins
from mlcore.settings import PluginSettings
from mlcore.types import InferenceResponse

HOOKS = "from mlcore import hookimpl\n\n\n"
GOOD = HOOKS + "@hookimpl\ndef mlcore_runtimes():\n    return {NAME: 'some.where:Runtime'}\n"


def good(name):
    return GOOD.replace("NAME", repr(name))


def record(plugins, distribution):
    (found,) = [record for record in plugins.records if record.distribution == distribution]
    return found


# --- found, allowed, denied ---


def test_an_installed_plugin_is_found_with_its_version_and_hooks(plugin):
    plugin("runtime-wave", good("wave"), version="1.2.3")

    plugins = Plugins()

    found = record(plugins, "runtime-wave")
    assert (found.name, found.version, found.state, found.error) == ("runtime-wave:runtime_wave", "1.2.3", "active", "")
    assert found.hooks == ["mlcore_runtimes"]
    assert plugins.runtimes.get("wave").distribution == "runtime-wave"
    assert plugins.runtimes.get("wave").value.runtime == "some.where:Runtime"


def test_what_the_core_offers_comes_through_the_same_hooks():
    core = Plugins(PluginSettings(allow=[])).records[0]

    assert (core.name, core.state) == ("mlcore-core:builtin", "active")
    assert core.hooks == [
        "mlcore_codecs",
        "mlcore_commands",
        "mlcore_engines",
        "mlcore_predict",
        "mlcore_wire_formats",
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"deny": ["runtime-wave"]},
        {"deny": ["Runtime_Wave"]},
        {"deny": ["runtime-wave:runtime_wave"]},
        {"allow": []},
        {"allow": ["runtime-other"]},
        {"allow": ["runtime-wave"], "deny": ["runtime-wave"]},
        {"allow": ["runtime-wave>=1.1"]},
        {"allow": ["runtime-wave:other"]},
        {"deny": ["runtime-wave<2"]},
        {"deny": ["Runtime_Wave:runtime_wave==1.*"]},
    ],
)
def test_b147_a_plugin_that_may_not_load_is_not_imported(plugin, settings):
    plugin("runtime-wave", "raise SystemExit('imported')")

    plugins = Plugins(PluginSettings(**settings))

    assert record(plugins, "runtime-wave").state == "denied"
    assert "runtime_wave" not in sys.modules
    assert "wave" not in plugins.runtimes


@pytest.mark.parametrize(
    "settings",
    [
        {"allow": ["Runtime.Wave"]},
        {"allow": ["runtime-wave>=0.9, <2"]},
        {"allow": ["runtime-wave:runtime_wave"]},
        {"deny": ["runtime-wave:other"]},
        {"deny": ["runtime-wave>=2"]},
    ],
)
def test_a_plugin_that_is_allowed_loads(plugin, settings):
    plugin("runtime-wave", good("wave"))

    assert "wave" in Plugins(PluginSettings(**settings)).runtimes


def test_b147_a_version_that_is_none_is_never_within_a_range(plugin):
    plugin("runtime-wave", good("wave"), version="whatever")

    assert "wave" not in Plugins(PluginSettings(allow=["runtime-wave>=0"])).runtimes
    assert "wave" not in Plugins(PluginSettings(deny=["runtime-wave>=5"])).runtimes
    assert "wave" in Plugins(PluginSettings(allow=["runtime-wave"])).runtimes


@pytest.mark.parametrize("entry", ["", "-", "runtime wave", "runtime-wave>=", "runtime-wave>=x,", "runtime[extra]"])
def test_an_entry_that_names_no_distribution_is_an_error(entry):
    with pytest.raises(ValueError, match="expected a distribution, with versions if need be"):
        PluginSettings(allow=[entry])


# --- broken ---


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import nowhere_at_all", "fails to import: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("1 / 0", "fails to import: ZeroDivisionError: division by zero"),
        ("import sys; sys.exit('bye')", "fails to import: SystemExit: bye"),
        ("def (:", "fails to import: SyntaxError: invalid syntax (runtime_wave.py, line 1)"),
        ("", "has no hook at all; decorate them with mlcore.hookimpl"),
        ("def mlcore_runtimes():\n    return {}", "has no hook at all; decorate them with mlcore.hookimpl"),
        (
            HOOKS + "@hookimpl\ndef mlcore_runtime():\n    return {}",
            "has a hook that does not exist, mlcore_runtime; did you mean mlcore_runtimes?",
        ),
        (HOOKS + "@hookimpl\ndef xyz():\n    return {}", "has a hook that does not exist, xyz"),
        (
            HOOKS + "@hookimpl\ndef mlcore_load(setings):\n    return {}",
            "Plugin 'runtime-wave:runtime_wave' for hook 'mlcore_load' hookimpl definition: mlcore_load(setings) "
            "Argument(s) {'setings'} are declared in the hookimpl but can not be found in the hookspec",
        ),
        (
            HOOKS + "@hookimpl\nasync def mlcore_startup(settings):\n    pass",
            "its hook mlcore_startup is async; hooks are plain functions",
        ),
        (
            HOOKS + "@hookimpl(wrapper=True)\ndef mlcore_runtimes():\n    return (yield)",
            "its hook mlcore_runtimes is a wrapper of hooks, which mlcore does not call",
        ),
    ],
    ids=range(11),
)
def test_a_plugin_that_is_broken_says_why_and_breaks_no_other(plugin, source, error):
    plugin("runtime-wave", source)
    plugin("runtime-yet-another", good("yet"))

    plugins = Plugins()

    assert (record(plugins, "runtime-wave").state, record(plugins, "runtime-wave").error) == ("broken", error)
    assert [broken.distribution for broken in plugins.broken] == ["runtime-wave"]
    assert "yet" in plugins.runtimes


def test_nothing_of_a_broken_plugin_is_used(plugin):
    source = good("wave") + "\n\n@hookimpl\ndef mlcore_strtup(settings):\n    pass\n"
    plugin("runtime-wave", source)

    assert "wave" not in Plugins().runtimes


def test_whoever_needs_a_broken_plugin_reads_why_it_is_broken(plugin):
    plugin("runtime-wave", "1 / 0")

    with pytest.raises(UnknownNameError) as raised:
        Plugins(PluginSettings(allow=["runtime-wave"])).runtimes.get("wave")

    assert str(raised.value) == (
        "no runtime is called 'wave'. Installed: none. Broken plugins: runtime-wave:runtime_wave fails to import: "
        "ZeroDivisionError: division by zero."
    )


def test_a_plugin_whose_attributes_raise_when_they_are_looked_at_is_broken(plugin):
    source = HOOKS + textwrap.dedent(
        """
        class _Plugin:
            @hookimpl
            def mlcore_runtimes(self):
                return {}

            def __eq__(self, other):
                raise ValueError("do not compare")

        plugin = _Plugin()
        """
    )
    plugin("runtime-wave", source, entry_points="wave = runtime_wave:plugin")

    assert "do not compare" in record(Plugins(), "runtime-wave").error


def test_an_entry_point_may_be_a_class_an_object_or_a_module(plugin):
    source = HOOKS + textwrap.dedent(
        """
        class Plugin:
            def __init__(self, name="from the class"):
                self.name = name

            @hookimpl
            def mlcore_runtimes(self):
                return {self.name: "a:B"}

        plugin = Plugin("from the object")
        """
    )
    plugin("runtime-wave", source, entry_points="a = runtime_wave:Plugin\nb = runtime_wave:plugin")

    assert {"from the class", "from the object"} <= {offer.name for offer in Plugins().runtimes}


def test_one_plugin_under_two_entry_points_is_registered_once_and_said_to_be(plugin):
    plugin("runtime-wave", good("wave"), entry_points="a = runtime_wave\nb = runtime_wave")

    plugins = Plugins()

    assert [found.state for found in plugins.records if found.distribution == "runtime-wave"] == ["active", "broken"]
    assert (
        "is registered already, under this or another name; remove one of the entry points" in plugins.broken[0].error
    )
    assert plugins.runtimes.get("wave")


def test_two_entry_points_of_one_name_are_not_skipped_in_silence(plugin):
    plugin("runtime-wave", good("wave"), entry_points="a = runtime_wave\na = runtime_wave:hookimpl")

    assert "is registered already" in Plugins().broken[0].error


def test_a_distribution_with_damaged_entry_points_does_not_hide_the_others(plugin, caplog):
    plugin("runtime-wave", good("wave"))
    plugin("runtime-damaged", "", entry_points="this is no entry point")

    plugins = Plugins()

    assert plugins.runtimes.get("wave")
    assert "the entry points of a distribution are damaged" in caplog.text


def test_what_is_left_of_a_removed_distribution_is_shown_without_a_name(plugin):
    plugin("runtime-wave", good("wave"))
    (plugin.folder / "runtime_wave-1.0.dist-info/METADATA").write_text("Version: 1.0\n")

    assert Plugins().runtimes.get("wave").distribution == "unknown"


# --- given in Python ---


def test_a_plugin_given_in_python_that_is_broken_is_an_error_at_once():
    class Misspelt:
        @hookimpl
        def mlcore_runtime(self):
            return {}

    with pytest.raises(PluginError) as raised:
        Plugins(extra=[Misspelt])

    assert str(raised.value) == (
        "plugin python:Misspelt-0: has a hook that does not exist, mlcore_runtime; did you mean mlcore_runtimes?"
    )
    assert raised.value.plugin == "python:Misspelt-0"


def test_a_class_that_cannot_be_made_is_an_error_at_once():
    class Failing:
        def __init__(self):
            raise ValueError("no")

    with pytest.raises(PluginError, match="python:Failing-0: fails to import: ValueError: no"):
        Plugins(extra=[Failing])


# --- two of one name ---


def test_a_name_that_two_distributions_offer_is_an_error_only_for_whoever_asks(plugin):
    plugin("runtime-one", good("wave"))
    plugin("runtime-two", good("wave"))

    plugins = Plugins()

    assert plugins.broken == []
    assert plugins.runtimes.ambiguous == {"wave": ["runtime-one", "runtime-two"]}
    with pytest.raises(AmbiguousNameError) as raised:
        plugins.runtimes.get("wave")
    assert str(raised.value) == (
        "the runtime 'wave' is offered by runtime-one and runtime-two; write 'runtime-one#wave' or 'runtime-two#wave', "
        "or name the other in plugins.deny"
    )
    assert plugins.runtimes.get("runtime-two#wave").distribution == "runtime-two"
    assert Plugins(PluginSettings(deny=["runtime-one"])).runtimes.get("wave").distribution == "runtime-two"


def test_the_order_of_plugins_does_not_depend_on_the_order_of_installation(plugin):
    for name in ("runtime-b", "runtime-c", "runtime-a"):
        plugin(name, good(name))

    names = [
        found.distribution for found in Plugins(PluginSettings(allow=["runtime-a", "runtime-b", "runtime-c"])).records
    ]

    assert [name for name in names if len(name) == 9] == ["runtime-a", "runtime-b", "runtime-c"]


# --- what a hook returns ---


@pytest.mark.parametrize(
    ("hook", "returned", "error"),
    [
        ("mlcore_runtimes", "None", "TypeError: expected a dict of offers by name, got a NoneType"),
        ("mlcore_runtimes", "['wave']", "TypeError: expected a dict of offers by name, got a list"),
        ("mlcore_runtimes", "{'wave': 5}", "TypeError: 'wave': expected a class or an import string, got a int"),
        (
            "mlcore_runtimes",
            "{'wave': 'some.where.X'}",
            "'wave': expected an import string 'module:Name', got 'some.where.X'",
        ),
        ("mlcore_runtimes", "{'wave': ':X'}", "'wave': expected an import string 'module:Name', got ':X'"),
        (
            "mlcore_runtimes",
            "{'a#b': 'a:B'}",
            "TypeError: expected names of one character or more, without '#', got 'a#b'",
        ),
        ("mlcore_runtimes", "{'': 'a:B'}", "TypeError: expected names of one character or more, without '#', got ''"),
        ("mlcore_runtimes", "{5: 'a:B'}", "TypeError: expected names of one character or more, without '#', got 5"),
        ("mlcore_transports", "{'t': []}", "TypeError: 't': expected a class or an import string, got a list"),
        ("mlcore_codecs", "{'c': ['nothing']}", "'c': expected an import string 'module:Name', got 'nothing'"),
        ("mlcore_codecs", "{'c': 5}", "TypeError: 'int' object is not iterable"),
        ("mlcore_commands", "['serve']", "TypeError: expected mlcore.commands.Command objects, got a str"),
        ("mlcore_engines", "1 / 0", "ZeroDivisionError: division by zero"),
        ("mlcore_wire_formats", "exit('bye')", "SystemExit: bye"),
    ],
)
def test_a_wrong_answer_of_a_hook_is_the_plugins_error_and_nobody_elses(plugin, caplog, hook, returned, error):
    plugin("runtime-wave", f"import sys\nexit = sys.exit\n{HOOKS}@hookimpl\ndef {hook}():\n    return {returned}\n")
    plugin("runtime-yet-another", good("yet"))
    plugins = Plugins()

    for kind in (plugins.runtimes, plugins.transports, plugins.engines, plugins.wire_formats, plugins.commands):
        list(kind)
    plugins.codecs.content_types()

    (broken,) = plugins.broken
    assert broken.error.startswith(f"its hook {hook} fails: ")
    assert error in broken.error
    assert "plugin failed" in caplog.text
    assert plugins.runtimes.get("yet")
    assert plugins.commands.get("serve")


def test_a_codec_alone_stands_for_a_list_of_one(plugin):
    source = HOOKS + "@hookimpl\ndef mlcore_codecs():\n    return {'own': 'mlcore.codecs:StringCodec'}\n"
    plugin("runtime-wave", source)

    assert Plugins().codecs.input_codec("own").__name__ == "StringCodec"


# --- every hook, in order ---

EVERY_HOOK = """
import sys
from mlcore import MLModel, hookimpl
from mlcore.access.identity import Authenticator
from mlcore.commands import Command
from mlcore.handlers import custom_handler

calls = []


class Nobody(Authenticator):
    def identify(self, credentials):
        return None


class Own(MLModel):
    async def predict(self, payload):
        from mlcore.types import InferenceResponse

        return InferenceResponse(model_name=self.name, outputs=[])

    @custom_handler(rest_path="/handler")
    def handler(self):
        pass


@hookimpl
def mlcore_runtimes():
    calls.append("runtimes")
    return {}

@hookimpl
def mlcore_codecs():
    calls.append("codecs")
    return {}

@hookimpl
def mlcore_wire_formats():
    calls.append("wire_formats")
    return {}

@hookimpl
def mlcore_transports():
    calls.append("transports")
    return {}

@hookimpl
def mlcore_engines():
    calls.append("engines")
    return {}

@hookimpl
def mlcore_authenticators(settings):
    calls.append("authenticators")
    return [Nobody()]

@hookimpl
def mlcore_commands():
    calls.append("commands")
    return [Command("everything", "Do everything.", lambda parser: None, lambda given: 0)]

@hookimpl
def mlcore_load(settings):
    calls.append(f"load {settings.name}")
    return Own(settings)

@hookimpl
def mlcore_predict(model, settings):
    calls.append(f"predict {model.name} {settings.name}")

@hookimpl
def mlcore_handlers(model, handlers):
    calls.append(f"handlers {model.name} {handlers[0].name}")

@hookimpl
def mlcore_startup(settings):
    calls.append("startup")

@hookimpl
def mlcore_shutdown(settings):
    calls.append("shutdown")

@hookimpl
def mlcore_model_loaded(settings, metadata):
    calls.append(f"model_loaded {settings.name} {metadata.name}")

@hookimpl
def mlcore_model_unloaded(settings):
    calls.append(f"model_unloaded {settings.name}")
"""

BODY = b'{"inputs": [{"name": "x", "shape": [0], "datatype": "INT8", "data": []}]}'


async def test_every_hook_is_called_once_in_this_order_and_none_during_requests(plugin):
    from mlcore import hookspecs

    plugin("runtime-every-hook", EVERY_HOOK)
    models = [ModelSettings(name="m", implementation="made.by:Hook")]

    server = Server(models=models, settings=Settings(auth={}, plugins={"allow": ["runtime-every-hook"]}))
    import runtime_every_hook

    calls = runtime_every_hook.calls
    await server.start()
    at_start = list(calls)
    for _ in range(3):
        await server.dispatcher.infer(Call("m", None, "application/json", BODY))
        async for _ in server.dispatcher.stream(Call("m", None, "application/json", BODY)):
            pass
        server.control.index(), server.control.model_metadata("m"), server.control.server_metadata()
    assert calls == at_start, "a hook was called during a request"
    await server.control.load("m")
    await server.stop()
    server.plugins.commands.get("everything")

    assert calls == [
        "engines",
        "authenticators",
        "transports",
        "startup",
        "wire_formats",
        "runtimes",
        "load m",
        "handlers m handler",
        "codecs",
        "predict m m",
        "model_loaded m m",
        "load m",
        "handlers m handler",
        "predict m m",
        "model_loaded m m",
        "model_unloaded m",
        "shutdown",
        "commands",
    ]
    named = {f"mlcore_{call.partition(' ')[0]}" for call in calls}
    assert named == {name for name in vars(hookspecs) if name.startswith("mlcore_")}


async def test_requests_do_not_run_a_line_of_the_plugin_machinery(plugin):
    class Own(MLModel):
        async def predict(self, payload):
            return InferenceResponse(model_name="m", outputs=[])

    entered = set()

    def profile(frame, event, argument):
        entered.add(frame.f_globals.get("__name__", "").partition(".")[2] or frame.f_globals.get("__name__"))

    async with Server(models=[ModelSettings(name="m", implementation=Own)], transports=[]) as server:
        call = Call("m", None, "application/json", BODY)
        await server.dispatcher.infer(call)
        sys.setprofile(profile)
        try:
            await server.dispatcher.infer(call)
        finally:
            sys.setprofile(None)

    assert "hosted_model" in entered
    assert not entered & {"plugins", "offers", "discovery", "catalogue", "hookspecs", "builtin", "pluggy", "_hooks"}


async def test_an_observer_that_fails_disturbs_nobody_and_is_logged(plugin, caplog):
    source = "".join(
        f"@hookimpl\ndef mlcore_{hook}({arguments}):\n    raise ValueError('{hook} fails')\n\n\n"
        for hook, arguments in {
            "startup": "settings",
            "shutdown": "settings",
            "model_loaded": "settings, metadata",
            "model_unloaded": "",
        }.items()
    )
    plugin("runtime-wave", HOOKS + source)

    async with Server(models=[ModelSettings(name="m", implementation=MLModel)], transports=[]) as server:
        assert server.control.is_ready

    reasons = [found.reason for found in caplog.records if found.message == "plugin failed"]
    assert [reason.partition(" fails")[0] for reason in reasons] == [
        "its hook mlcore_startup",
        "its hook mlcore_model_loaded",
        "its hook mlcore_model_unloaded",
        "its hook mlcore_shutdown",
    ]


def test_another_process_finds_the_plugin_too(plugin, run):
    plugin("runtime-wave", good("wave"))

    done = run(program="from mlcore.plugins import Plugins; print(*(offer.name for offer in Plugins().runtimes))")

    assert "wave" in done.stdout.split()
