"""The server: the order of its start and its stop, and that nothing stays when either goes wrong."""

import asyncio
import signal
import socket
import sys
import threading
import time

import pytest
from mlcore import MLModel, ModelSettings, Server, Settings, hookimpl
from mlcore.engines.inline import InlineEngine
from mlcore.errors import (
    FailedPreconditionError,
    ModelLoadError,
    PluginError,
    PortInUseError,
    SettingsError,
)
from mlcore.server import run_until_stopped
from mlcore.transport import Transport
from mlcore.types import InferenceResponse
from waiting import waits_in


class Recording(Transport):
    """A transport on a real socket, which notes what is done to it."""

    name = "recording"
    notes: list  # each test makes a class of its own
    port = 0
    wrong_step = None

    def note(self, step):
        self.notes.append((self.name, step))
        if step == self.wrong_step:
            raise ValueError(f"{step} fails")

    def bind(self):
        self.note("bind")
        self.socket = socket.socket()
        try:
            self.socket.bind(("127.0.0.1", self.port))
        except OSError as error:
            self.socket.close()
            raise PortInUseError(f"port {self.port}: {error.strerror}") from error

    @property
    def url(self):
        return f"tcp://127.0.0.1:{self.socket.getsockname()[1]}"

    @property
    def extensions(self):
        return [f"of_{self.name}", "shared"]

    async def start(self):
        self.note("start")

    async def stop(self, grace_s):
        if hasattr(self, "socket"):
            self.socket.close()
        self.note("stop")


class Noting(MLModel):
    notes: list

    def load(self):
        self.notes.append(("model", "load"))

    async def predict(self, payload):
        return InferenceResponse(model_name="m", outputs=[])

    def unload(self):
        self.notes.append(("model", "unload"))


@pytest.fixture
def notes():
    return []


@pytest.fixture
def transport(notes):
    """Return a function that makes a class of transports which note what is done to them."""
    return lambda name="recording", **members: type("T", (Recording,), {"name": name, "notes": notes, **members})


@pytest.fixture
def plugin(notes):
    """Return a function that makes a plugin of some transports, which notes the start and the stop."""

    def plugin(*transports):
        class Plugin:
            @hookimpl
            def mlcore_transports(self):
                return {transport.name: transport for transport in transports}

            @hookimpl
            def mlcore_startup(self, settings):
                notes.append(("hook", "startup"))

            @hookimpl
            def mlcore_shutdown(self, settings):
                notes.append(("hook", "shutdown"))

        return Plugin

    return plugin


@pytest.fixture
def models(notes):
    return [ModelSettings(name="m", implementation=type("Model", (Noting,), {"notes": notes}))]


# --- start and stop ---


async def test_start_and_stop_have_an_order(transport, plugin, models, notes):
    kinds = [transport("a"), transport("b")]

    async with Server(models=models, plugins=[plugin(*kinds)], transports=["a", "b"]) as server:
        assert notes == [
            ("a", "bind"),
            ("b", "bind"),
            ("hook", "startup"),
            ("a", "start"),
            ("b", "start"),
            ("model", "load"),
        ]
        notes.clear()
        assert server.url("b").startswith("tcp://127.0.0.1:")
        assert server.control.server_metadata().extensions == ["of_a", "of_b", "shared"]

    assert notes == [("a", "stop"), ("b", "stop"), ("model", "unload"), ("hook", "shutdown")]


@pytest.mark.parametrize(("given", "remedy"), [(["rest"], "add it to the setting transports"), (None, "pip install")])
def test_kafka_without_its_transport_is_an_error_that_says_what_to_do(given, remedy, models):
    settings = Settings(transports=given, kafka_enabled=True, plugins={"deny": ["transport-kafka"]})

    with pytest.raises(SettingsError, match=f"kafka_enabled: there is no transport 'kafka'; {remedy}"):
        Server(models=models, settings=settings)


async def test_ready_is_false_until_the_models_are_loaded_and_from_the_stop_on(transport, plugin, notes):
    seen = []

    class Asking(MLModel):
        def load(self):
            seen.append(server.control.is_ready)

        def unload(self):
            seen.append(server.control.is_ready)

    server = Server(models=[ModelSettings(name="m", implementation=Asking)], transports=[])
    async with server:
        seen.append(server.control.is_ready)

    assert seen == [False, True, False]


async def test_f24_a_port_that_is_taken_ends_the_start_while_nothing_runs(transport, plugin, models, notes):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        kinds = [transport("a"), transport("b", port=taken.getsockname()[1])]
        server = Server(models=models, plugins=[plugin(*kinds)], transports=["a", "b"])

        with pytest.raises(PortInUseError, match="Address already in use"):
            await server.start()

    assert notes == [("a", "bind"), ("b", "bind"), ("a", "stop"), ("b", "stop")]
    assert server.transports[0].socket.fileno() == -1
    await server.stop()
    assert ("hook", "shutdown") not in notes


async def test_a_server_whose_port_was_taken_can_try_again(transport, plugin, models, notes):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        server = Server(models=models, plugins=[plugin(transport("a", port=port))], transports=["a"])
        with pytest.raises(PortInUseError):
            await server.start()

    async with server:
        assert server.control.is_ready


@pytest.mark.parametrize("step", ["start", "bind"])
async def test_a_transport_that_fails_leaves_nothing_running(transport, plugin, models, notes, step):
    kinds = [transport("a"), transport("b", wrong_step=step)]
    server = Server(models=models, plugins=[plugin(*kinds)], transports=["a", "b"])

    with pytest.raises(ValueError, match=f"{step} fails"):
        await server.start()

    assert {("a", "stop"), ("b", "stop")} <= set(notes)
    assert (("hook", "startup") in notes) == (("hook", "shutdown") in notes) == (step == "start")
    assert not server.control.is_ready
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_f08_strict_stops_everything_again_and_names_every_model(transport, plugin, models, notes):
    class Failing(MLModel):
        def load(self):
            raise ValueError("no weights")

    failing = ModelSettings(name="f", implementation=Failing, parameters={"version": "1"})
    server = Server(models=[*models, failing], plugins=[plugin(transport("a"))], transports=["a"], strict=True)

    with pytest.raises(ModelLoadError) as raised:
        await server.start()

    assert str(raised.value) == "model 'f', version '1': load() raised ValueError: no weights"
    assert notes[-3:] == [("a", "stop"), ("model", "unload"), ("hook", "shutdown")]


async def test_a_transport_that_does_not_stop_well_does_not_keep_the_rest_from_stopping(
    transport, plugin, models, notes, caplog
):
    kinds = [transport("a", wrong_step="stop"), transport("b")]

    async with Server(models=models, plugins=[plugin(*kinds)], transports=["a", "b"]):
        pass

    assert notes[-4:] == [("a", "stop"), ("b", "stop"), ("model", "unload"), ("hook", "shutdown")]
    assert "a transport did not stop well" in caplog.text


async def test_a_second_stop_waits_for_the_first_and_does_nothing(transport, plugin, notes, until):
    begun, let_go = threading.Event(), threading.Event()

    class Slow(MLModel):
        def unload(self):
            begun.set()
            let_go.wait(60)
            notes.append(("model", "unload"))

    slow = [ModelSettings(name="m", implementation=Slow)]
    server = Server(models=slow, plugins=[plugin(transport("a"))], transports=["a"])
    await server.start()

    first = asyncio.create_task(server.stop())
    await until(begun.is_set)
    second = asyncio.create_task(server.stop())
    await until(lambda: waits_in(second) == "stop")
    let_go.set()
    await second
    assert notes[-2:] == [("model", "unload"), ("hook", "shutdown")]
    await first
    await server.stop()

    assert notes.count(("a", "stop")) == notes.count(("hook", "shutdown")) == 1


async def test_a_stop_goes_on_when_whoever_asked_for_it_is_cancelled(notes, models, until):
    server = Server(models=models, transports=[], drain_delay=60)
    await server.start()

    stop = asyncio.create_task(server.stop())
    await until(lambda: waits_in(stop) == "stop")
    stop.cancel()

    with pytest.raises(asyncio.CancelledError):
        await stop
    server.hurry()
    await until(lambda: ("model", "unload") in notes)


async def test_a_server_starts_once(models):
    server = Server(models=models, transports=[])
    async with server:
        with pytest.raises(FailedPreconditionError, match="was started before; make another one"):
            await server.start()
        assert server.control.is_ready
    with pytest.raises(FailedPreconditionError):
        await server.start()


async def test_a_server_that_never_started_can_be_stopped(models, notes):
    await Server(models=models, transports=[]).stop()

    assert notes == []


async def test_the_drain_delay_is_between_not_ready_and_the_closed_transports(transport, plugin, models, notes):
    server = Server(models=models, plugins=[plugin(transport("a"))], transports=["a"], drain_delay=0.1)
    await server.start()
    began = time.monotonic()

    stop = asyncio.create_task(server.stop())
    while server.control.is_ready:
        await asyncio.sleep(0)
    assert ("a", "stop") not in notes
    await stop

    assert time.monotonic() - began >= 0.1


async def test_a_model_that_failed_does_not_shorten_the_drain_for_the_others(models):
    class Failing(MLModel):
        def load(self):
            raise ValueError("no weights")

    failing = ModelSettings(name="f", implementation=Failing)
    server = Server(models=[*models, failing], transports=[], drain_delay=0.1)
    await server.start()
    began = time.monotonic()

    await server.stop()

    assert time.monotonic() - began >= 0.1


async def test_models_may_be_left_unloaded_at_start(models, notes):
    async with Server(models=models, transports=[], load_models_at_startup=False) as server:
        assert server.control.is_ready
        assert [item.state for item in server.control.index()] == ["UNAVAILABLE"]
        await server.control.load("m")
        assert server.control.models() == ["m"]


async def test_a_broken_plugin_is_named_at_the_start(caplog, models):
    class Forgetful:
        @hookimpl
        def mlcore_engines(self):
            raise ValueError("forgot them")

    async with Server(models=models, plugins=[Forgetful], transports=[]):
        pass

    messages = [
        (record.message, record.plugin, record.reason) for record in caplog.records if hasattr(record, "plugin")
    ]
    reason = "its hook mlcore_engines fails: ValueError: forgot them"
    assert messages == [
        ("plugin failed", "python:Forgetful-0", reason),
        ("plugin is broken", "python:Forgetful-0", reason),
    ]


# --- two servers ---


async def test_two_servers_know_nothing_of_each_other(ask):
    models = {
        name: ModelSettings(
            name="m", implementation=type("Model", (Noting,), {"notes": []}), parameters={"version": name}
        )
        for name in "ab"
    }

    class OnlyInOne:
        @hookimpl
        def mlcore_codecs(self):
            return {"only": "mlcore.codecs:StringCodec"}

    async with (
        Server(models=[models["a"]], plugins=[OnlyInOne], transports=[]) as one,
        Server(models=[models["b"]], transports=[], server_name="two") as two,
    ):
        assert (one.control.versions("m"), two.control.versions("m")) == (["a"], ["b"])
        assert "only" in one.plugins.codecs.content_types()
        assert "only" not in two.plugins.codecs.content_types()
        await one.control.unload("m")
        assert two.control.is_ready
        assert (await ask(two, "m"))["model_version"] == "b"
        assert (one.settings.server_name, two.settings.server_name) == ("mlcore", "two")


def test_two_servers_may_run_in_two_threads(repository, model, saying, said):
    """Their loops are two, but what can be imported is one."""
    for name in ("one", "two"):
        model(
            f"{name}/m", saying("VALUE", imports="from helpers import VALUE"), modules={"helpers": f"VALUE = {name!r}"}
        )
    answers = {}

    async def serve(name):
        for _ in range(5):
            async with Server(repository / name, transports=[]) as server:
                answers.setdefault(name, set()).add(await said(server, "m"))

    threads = [threading.Thread(target=asyncio.run, args=[serve(name)]) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {"one": {"one"}, "two": {"two"}}


# --- what it is made of ---


def test_a_folder_has_to_be_one(tmp_path):
    (tmp_path / "file").touch()

    for name in ("file", "nowhere"):
        with pytest.raises(SettingsError, match=r"is not a folder; give one that holds a model-settings\.json"):
            Server(tmp_path / name, transports=[])


def test_settings_and_single_options_exclude_each_other():
    with pytest.raises(SettingsError, match="http_port: give either settings or single options"):
        Server(settings=Settings(), http_port=1)


def test_an_unknown_option_is_refused_with_the_nearest_name():
    with pytest.raises(SettingsError, match=r"^option http_prot: unknown setting; did you mean 'http_port'\?$"):
        Server(http_prot=1)


async def test_without_folder_and_models_the_repository_root_of_the_settings_is_served(repository, model, said, saying):
    model("m", saying("1"))

    async with Server(transports=[], model_repository_root=str(repository)) as server:
        assert await said(server, "m") == "1"


def test_with_models_given_in_python_no_folder_is_searched(models):
    assert Server(models=models, transports=[]).repository is None


def test_a_transport_that_is_not_started_has_no_url(models):
    with pytest.raises(LookupError, match=r"no transport 'rest' runs; there are \[\]"):
        Server(models=models, transports=[]).url("rest")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "inlne"}, "engine: no engine is called 'inlne'; did you mean 'inline'?"),
        ({"transports": ["rset"]}, "transports: no transport is called 'rset'; did you mean 'rest'?"),
        ({"transports": ["rest", "rest"]}, "transports: 'rest' stands there twice; keep one of them"),
    ],
)
def test_a_name_in_the_settings_that_nobody_offers_is_an_error_of_the_settings(plugin, transport, options, message):
    with pytest.raises(SettingsError) as raised:
        Server(plugins=[plugin(transport("rest2"))], **options)

    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("offer", "message"),
    [
        ("nowhere:T", "plugin transport 'own' of python: cannot import nowhere:T: ModuleNotFoundError"),
        ("mlcore:T", "plugin transport 'own' of python: cannot import mlcore:T: AttributeError"),
        (dict, "plugin transport 'own' of python: it has to be a class that subclasses mlcore.transport.Transport"),
        (Recording, "plugin transport 'own' of python: it cannot be made: TypeError: missing settings"),
    ],
)
def test_a_transport_that_cannot_be_made_names_its_plugin(offer, message):
    if offer is Recording:

        class Failing(Recording):
            def __init__(self, *arguments):
                raise TypeError("missing settings")

        offer = Failing

    class Plugin:
        @hookimpl
        def mlcore_transports(self):
            return {"own": offer}

    with pytest.raises(PluginError) as raised:
        Server(plugins=[Plugin], transports=["own"])

    assert str(raised.value).startswith(message)


def test_what_a_transport_says_itself_is_not_wrapped():
    class Refusing(Recording):
        def __init__(self, *arguments):
            raise SettingsError("tls_key: missing")

    class Plugin:
        @hookimpl
        def mlcore_transports(self):
            return {"own": Refusing}

    with pytest.raises(SettingsError, match=r"^tls_key: missing$"):
        Server(plugins=[Plugin], transports=["own"])


def test_an_engine_of_a_plugin_can_be_named_by_its_distribution(models):
    class Plugin:
        @hookimpl
        def mlcore_engines(self):
            return {"inline": "mlcore.engines.inline:InlineEngine"}

    with pytest.raises(FailedPreconditionError, match="the engine 'inline' is offered by mlcore-core and python"):
        Server(models=models, plugins=[Plugin], transports=[])
    Server(models=models, plugins=[Plugin], transports=[], engine="python#inline")


async def test_an_engine_has_the_time_of_its_setting_to_stop():
    class Timed(InlineEngine):
        async def stop(self, grace_s=5.0):
            graces.append(grace_s)

    class Plugin:
        @hookimpl
        def mlcore_engines(self):
            return {"timed": Timed}

    graces = []
    for settings in ({}, {"parallel_workers_timeout": 12.5}):
        async with Server(".", plugins=[Plugin], transports=[], engine="timed", **settings):
            pass

    assert graces == [5.0, 12.5]


# --- run ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_f23_run_answers_until_a_signal_and_restores_the_handlers(terminal, models, notes, number):
    before = signal.getsignal(number)

    await Server(models=models, transports=[]).run(lambda server: signal.raise_signal(number))

    assert notes == [("model", "load"), ("model", "unload")]
    assert signal.getsignal(number) == before


async def test_f23_a_terminal_that_goes_stops_nothing_that_was_told_not_to_mind(models, notes):
    def started(server):
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)  # the first: a second one would make the code another

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        code = await Server(models=models, transports=[]).run(started)

        assert code == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("hook", ["startup", "shutdown"])
async def test_a_plugin_that_hangs_is_named_and_keeps_no_signal_from_stopping_the_server(
    models, hook, until, caplog, monkeypatch
):
    let_go = threading.Event()

    def hang(self, settings):
        let_go.wait(60)

    hanging = type("Hanging", (), {f"mlcore_{hook}": hookimpl(hang, specname=f"mlcore_{hook}")})
    monkeypatch.setattr("mlcore.server._HOOK_IS_SLOW_S", 0.01)
    monkeypatch.setattr("mlcore.server._LEAST_UNLOAD_S", 0.01)
    server = Server(models=models, plugins=[hanging], transports=[])
    running = asyncio.create_task(server.run(lambda server: signal.raise_signal(signal.SIGTERM)))

    if hook == "startup":
        await until(lambda: "a plugin holds up the start" in caplog.text)
        signal.raise_signal(signal.SIGTERM)

    assert await running == 0
    told = next(record for record in caplog.records if record.message.startswith("a plugin holds up"))
    assert told.plugin == "python:Hanging-0"
    assert not [record for record in caplog.records if record.exc_info]
    let_go.set()


async def test_f20_a_signal_during_the_start_stops_it(notes, until):
    begun = threading.Event()

    class Slow(MLModel):
        async def load(self):
            begun.set()
            await asyncio.sleep(60)

    running = asyncio.create_task(Server(models=[ModelSettings(name="m", implementation=Slow)], transports=[]).run())
    await until(begun.is_set)
    signal.raise_signal(signal.SIGTERM)

    await asyncio.wait_for(running, 60)


async def test_run_says_why_it_does_not_start(models):
    class Failing(MLModel):
        def load(self):
            raise ValueError("no weights")

    server = Server(models=[ModelSettings(name="f", implementation=Failing)], transports=[], strict=True)

    with pytest.raises(ModelLoadError, match="no weights"):
        await server.run()


def test_a_server_runs_on_a_loop_of_its_own(models, notes):
    run_until_stopped(Server(models=models, transports=[]), lambda server: signal.raise_signal(signal.SIGTERM))

    assert notes == [("model", "load"), ("model", "unload")]


def test_without_uvloop_the_loop_is_that_of_the_standard_library(models, notes, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loops = []

    def started(server):
        loops.append(type(asyncio.get_running_loop()).__module__)
        signal.raise_signal(signal.SIGTERM)

    run_until_stopped(Server(models=models, transports=[]), started)

    assert loops == ["asyncio.unix_events"]


def test_serve_serves_until_it_is_stopped(run):
    program = """
        import signal, threading, mlcore
        from mlcore import MLModel, ModelSettings

        class Own(MLModel):
            def load(self):
                threading.Timer(0.1, signal.raise_signal, [signal.SIGTERM]).start()

        mlcore.serve(models=[ModelSettings(name="m", implementation=Own)], transports=[])
        print("stopped")
    """

    done = run(program=program)

    assert (done.stdout, done.returncode) == ("stopped\n", 0)
