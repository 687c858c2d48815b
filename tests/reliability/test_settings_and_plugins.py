"""Settings and plugins that are wrong, or mean harm: an error that names the place, or one model that is refused."""

import json
import os
import socket
import subprocess
import sys

import psutil
import pytest
from many import MODEL, said
from mlcore import MLModel, Server, Settings, hookimpl
from mlcore.cli import main
from mlcore.errors import DeadlineExceededError, MLCoreError
from mlcore.testing import start_server
from saying import say
from standing import Standing

SECRET = "hush-hush"
SPAWNS = """
import os, sys


def note(event, arguments):
    if event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"):
        with open({place!r}, "a") as notes:
            notes.write(f"{{event}} {{arguments[0]}}\\n")


sys.addaudithook(note)
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in list(os.environ):
        if name.upper().startswith(("MLCORE_", "MLSERVER_")):
            monkeypatch.delenv(name)


@pytest.fixture
def refused(tmp_path, capsys):
    """Return a function that runs `mlcore serve` on settings that are wrong, and returns what it says."""

    def refused(text="", code=2):
        if text:
            (tmp_path / "settings.json").write_bytes(text.encode() if isinstance(text, str) else text)
        assert main(["serve", str(tmp_path)]) == code
        written = capsys.readouterr().err
        assert "Traceback" not in written
        return written.replace(str(tmp_path / "settings.json"), "FILE")

    return refused


def program(*arguments, **variables):
    """Run `mlcore` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mlcore", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **variables},
    )


# --- a server that is spied on ---


@pytest.fixture(scope="module")
def spied(tmp_path_factory):
    """Return a server with a secret, whose names are commands of a shell, and the file of what its processes start."""
    place = tmp_path_factory.mktemp("spied")
    notes = place / "notes"
    (place / "sitecustomize.py").write_text(SPAWNS.format(place=str(notes)))
    folder = place / "models; touch pwned; $(touch pwned) `touch pwned`"
    for name in ("many", "$(touch pwned)", "a; touch pwned", "`touch pwned`"):
        model = folder / name
        model.mkdir(parents=True)
        (model / "many.py").write_text(MODEL)
        settings = {"name": name, "implementation": "many.Many", "parameters": {"uri": "$(touch pwned); `touch pwned`"}}
        (model / "model-settings.json").write_text(json.dumps(settings))
    paths = os.pathsep.join([str(place), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {"PYTHONPATH": paths, "MLCORE_KAFKA_SASL_PASSWORD": SECRET, "MLCORE_SERVER_NAME": "$(touch pwned)"}
    server = start_server(folder, "--debug", "--parallel-workers", "1", env=variables)
    yield server, notes
    server.stop()


@pytest.fixture
def standing(spied):
    stood = Standing(spied[0])
    yield stood
    stood.check()


def test_b133_no_text_of_the_settings_reaches_a_shell(spied, standing, tmp_path):
    _, notes = spied

    started = {line.split(" ", 1)[1] for line in notes.read_text().splitlines()}

    assert started == {sys.executable}, "the worker, and nothing else"
    assert not list(notes.parent.rglob("pwned"))


def test_b140_a_worker_has_no_socket_that_anybody_could_find(spied, standing):
    (worker,) = psutil.Process(spied[0].process.pid).children()

    assert worker.net_connections(kind="inet") == []
    assert {connection.laddr for connection in worker.net_connections(kind="unix")} <= {""}


def test_b150_a_secret_is_in_no_log_no_metadata_and_no_worker(spied, standing):
    server, _ = spied
    (worker,) = psutil.Process(server.process.pid).children()

    assert SECRET not in server.get("/v2").body.decode()
    assert SECRET not in "\n".join(server.log)
    assert SECRET not in str(worker.environ())


def test_a_worker_gains_no_rights_and_writes_no_core_dump(spied, standing):
    (worker,) = psutil.Process(spied[0].process.pid).children()

    assert worker.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    with open(f"/proc/{worker.pid}/status") as status:
        assert "NoNewPrivs:\t1\n" in status.readlines()


# --- settings ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{not json", "FILE: line 1, column 2: not valid JSON: Expecting property name enclosed in double quotes"),
        (" ", "FILE: line 1, column 2: not valid JSON: Expecting value"),
        ("[]", "FILE: line 1, column 1: expected a JSON object, got an array"),
        ("\ufeff{}", "FILE: line 1, column 1: begins with a byte order mark; save it as UTF-8 without one"),
        ('{"debug": true,\n "debug": false}', "FILE: line 2, column 2: 'debug' stands there twice; keep one of them"),
        (b"{\n\xff}", "FILE: line 2: not UTF-8 at byte 2"),
    ],
)
def test_b134_a_settings_file_that_is_no_json_object_ends_the_start(refused, text, message):
    assert refused(text) == f"mlcore: error: {message}\n"


def test_b134_an_empty_settings_file_ends_the_start(refused, tmp_path):
    (tmp_path / "settings.json").touch()

    assert refused() == "mlcore: error: FILE: line 1, column 1: not valid JSON: Expecting value\n"


def test_b134_a_settings_file_of_100_mb_is_not_read(refused, tmp_path):
    with (tmp_path / "settings.json").open("wb") as file:
        file.truncate(100 * 2**20)

    assert "larger than 1048576 bytes, which no settings file needs to be" in refused()


def test_b134_a_real_program_ends_with_2_too(tmp_path):
    (tmp_path / "settings.json").write_text("{")

    ended = program("serve", str(tmp_path))

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1


def test_b135_an_unknown_setting_is_an_error_that_names_the_nearest(refused):
    """There is no option that lets unknown ones pass: what MLServer had is known, and said to be of no use."""
    assert refused('{"http_prot": 1}') == "mlcore: error: FILE: http_prot: unknown setting; did you mean 'http_port'?\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"http_port": 70000}', ["FILE: http_port", "65535", "70000"]),
        ('{"parallel_workers": -1}', ["FILE: parallel_workers", "greater than or equal to 0", "-1"]),
        ('{"grace_period": NaN}', ["FILE", "NaN is not JSON"]),
        ('{"grace_period": "abc"}', ["FILE: grace_period", "number", "abc"]),
        ('{"request_timeout": 0}', ["FILE: request_timeout", "greater than 0", "0"]),
    ],
)
def test_b136_a_setting_out_of_range_is_named_with_what_it_may_be(refused, text, words):
    written = refused(text)

    assert all(word in written for word in words), written


def test_b136_a_batch_time_that_is_no_number_is_named(tmp_path, capsys):
    say(tmp_path / "model", "one", max_batch_time="abc")

    assert main(["check", str(tmp_path)]) == 1
    assert "max_batch_time" in capsys.readouterr().out


def test_b137_a_variable_wins_over_the_file_and_a_wrong_one_is_named(refused, monkeypatch):
    monkeypatch.setenv("MLCORE_HTTP_PORT", "many")

    written = refused('{"http_port": 8080}')

    assert "MLCORE_HTTP_PORT" in written
    assert "many" in written
    assert "FILE" not in written


def test_b138_a_port_that_is_taken_ends_the_start(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = program("serve", str(tmp_path), "--grpc-port", "0", "--metrics-port", "0", "--http-port", port)

    assert ended.returncode == 1
    assert f"the REST transport cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "is up" not in ended.stderr


def test_b138_one_port_for_two_transports_ends_the_start(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    ended = program("serve", str(tmp_path), "--grpc-port", port, "--metrics-port", "0", "--http-port", port)

    assert ended.returncode == 1
    assert f"transport cannot listen on 127.0.0.1:{port}" in ended.stderr


def test_b150_a_secret_is_in_no_error_and_no_repr(refused):
    written = refused('{"kafka_sasl_password": ["hush-hush"]}')

    assert "kafka_sasl_password" in written
    assert SECRET not in written
    assert SECRET not in repr(Settings(kafka_sasl_password=SECRET))


# --- implementations ---

TRAPS = """
from pathlib import Path

from mlcore import MLModel


def function(*arguments):
    Path(__file__).with_name("called").touch()


class Other:
    def __init__(self, *arguments):
        function()


class Model(MLModel):
    async def predict(self, payload):
        return payload


instance = Model.__new__(Model)
"""


@pytest.mark.parametrize(
    "implementation",
    ["os.system", "builtins.eval", "subprocess.Popen", "traps.function", "traps.instance", "traps.Other"],
)
async def test_b141_what_is_no_model_class_is_refused_before_it_is_called(tmp_path, implementation):
    (tmp_path / "traps.py").write_text(TRAPS)
    (tmp_path / "model-settings.json").write_text(json.dumps({"name": "trap", "implementation": implementation}))

    async with Server(tmp_path, transports=[], parallel_workers=0) as server:
        (item,) = server.control.index()

    assert item.state == "UNAVAILABLE"
    assert "MLModel" in item.reason
    assert not (tmp_path / "called").exists()


async def test_b142_a_module_that_fails_in_any_way_fails_its_model_alone(tmp_path):
    say(tmp_path / "good", "good")
    for name, code in {
        "raises": "1 / 0",
        "leaves": "import sys; sys.exit(3)",
        "blocks": "import time; time.sleep(600)",
    }.items():
        say(tmp_path / name, "never")
        (tmp_path / name / "my_model.py").write_text(code)
    say(tmp_path / "missing", "never", implementation="nowhere.Model")

    async with Server(tmp_path, transports=[], parallel_workers=1, load_timeout=10) as server:
        states = {item.name: item for item in server.control.index()}
        assert await said(server, "any", model="good") == "good"

    assert {name: item.state for name, item in states.items() if name != "good"} == dict.fromkeys(
        ["blocks", "leaves", "missing", "raises"], "UNAVAILABLE"
    )
    assert "nowhere" in states["missing"].reason


async def test_b143_a_module_called_as_one_of_the_standard_library_changes_nothing_for_the_server(tmp_path):
    say(tmp_path, "well")
    for name in ("json", "mlcore", "socket"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')")

    async with Server(tmp_path, transports=[], parallel_workers=0) as server:
        (item,) = server.control.index()
        assert (item.state, await said(server, "any", model=item.name)) == ("READY", "well")


async def test_b144_two_models_with_equal_module_names_have_their_own_code(tmp_path):
    for name in ("one", "two"):
        say(tmp_path / name, name)

    async with Server(tmp_path, transports=[], parallel_workers=0) as server:
        assert [await said(server, "any", model=name) for name in ("one", "two")] == ["one", "two"]


# --- plugins ---

RUNTIME = "from mlcore import hookimpl\n\n\n@hookimpl\ndef mlcore_runtimes():\n    return {'wave': 'a.b:C'}\n"
TRANSPORT = RUNTIME.replace("runtimes", "transports").replace("wave", "rest")


def test_f14_b145_a_plugin_that_fails_to_import_is_named_and_the_server_runs(plugin, tmp_path):
    """By design one broken plugin breaks only those who asked for it: a server that needs none of it starts."""
    plugin("runtime-broken", "1 / 0")
    say(tmp_path / "model", "well")

    server = start_server(tmp_path, "--parallel-workers", "0")
    try:
        assert server.get("/v2/health/ready").status == 200
    finally:
        server.stop()
    assert [line for line in server.log if "runtime-broken:runtime_broken" in line and "ZeroDivisionError" in line]


def test_f14_b145_what_needs_a_broken_plugin_says_so(plugin, tmp_path, capsys):
    plugin("runtime-broken", "1 / 0")
    say(tmp_path / "model", "never", implementation="wave")

    assert main(["check", str(tmp_path)]) == 1
    assert "runtime-broken" in capsys.readouterr().out


def test_f14_b146_two_plugins_with_one_name_are_an_error_that_names_both(plugin, refused):
    plugin("transport-two", TRANSPORT)

    written = refused()

    assert "transport-rest" in written
    assert "transport-two" in written


def test_b147_a_plugin_that_is_not_allowed_is_not_imported(plugin, tmp_path, capsys):
    plugin("runtime-canary", f"open({str(tmp_path / 'sang')!r}, 'w')\n" + RUNTIME)
    (tmp_path / "settings.json").write_text('{"plugins": {"allow": ["transport-rest", "runtime-canary>=2"]}}')
    say(tmp_path / "model", "well")

    assert main(["check", str(tmp_path)]) == 0, capsys.readouterr().out
    assert not (tmp_path / "sang").exists()


class Echo(MLModel):
    async def predict(self, payload):
        return payload


class Hooks:
    """A plugin that fails on each request to one model, and hangs on those to another."""

    @hookimpl
    def mlcore_predict(self, settings):
        async def raising(payload):
            raise RuntimeError("a bug of the plugin")

        async def hanging(payload):
            import asyncio

            await asyncio.Event().wait()

        wrapped = {"raising": raising, "hanging": hanging}.get(settings.name)
        return (lambda predict: wrapped) if wrapped is not None else None


async def test_b148_a_plugin_that_fails_or_hangs_on_each_request_harms_only_that_model(tmp_path):
    for name in ("well", "raising", "hanging"):
        say(tmp_path / name, "well", **({"request_timeout": 0.2} if name == "hanging" else {}))

    async with Server(tmp_path, transports=[], parallel_workers=0, plugins=[Hooks()]) as server:
        for _ in range(3):
            with pytest.raises(MLCoreError) as failed:
                await said(server, "any", model="raising")
            with pytest.raises(DeadlineExceededError):
                await said(server, "any", model="hanging")
            assert await said(server, "any", model="well") == "well"
        assert "a bug of the plugin" not in str(failed.value)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/health/live"),
        ("POST", "/v2/repository/index"),
        ("POST", "/v2/models/x/infer"),
        ("GET", "/v2/{anything:path}"),
        ("GET", "/v2"),
    ],
)
async def test_b149_a_handler_on_a_path_of_the_servers_own_is_refused(tmp_path, method, path):
    say(tmp_path, "well")
    code = (tmp_path / "my_model.py").read_text()
    handler = f"""
    @custom_handler(rest_path={path!r}, rest_method={method!r})
    def mine(self) -> str:
        return "mine"
"""
    (tmp_path / "my_model.py").write_text(f"from mlcore.handlers import custom_handler\n{code}{handler}")

    async with Server(tmp_path, http_port=0, transports=["rest"], parallel_workers=0) as server:
        (item,) = server.control.index()

    assert item.state == "UNAVAILABLE"
    assert path.partition("{")[0] in item.reason
