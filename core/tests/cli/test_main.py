"""The `mlcore` program as a process: exit codes, and one line on stderr for each error."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mlcore.cli import main
from mlcore.control import mlcore_version

ERROR = "mlcore: error: "


def test_version(run):
    assert run("--version").stdout == f"mlcore {mlcore_version()}\n"


def test_help_names_every_command(mlcore):
    done = mlcore("--help")

    assert done.returncode == 0
    assert all(f"  {name}" in done.stdout for name in ("serve", "check", "plugins", "schema", "init"))


@pytest.mark.parametrize("arguments", [[], ["serv"], ["schema"], ["schema", "nothing"], ["serve", "--http-port", "x"]])
def test_wrong_usage_is_exit_2_with_the_usage(mlcore, arguments):
    done = mlcore(*arguments)

    assert done.returncode == 2
    assert done.stderr.startswith("usage: mlcore")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["serve", "nowhere"], "'nowhere' is not a folder; give one that holds a model-settings.json"),
        (["check", "nowhere"], "'nowhere' is not a folder"),
        (["serve", "--http-port", "70000"], "option http_port: should be less than or equal to 65535, got 70000"),
        (
            ["serve", "--log-level", "loud"],
            "option log_level: should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR', got \"loud\"",
        ),
    ],
)
def test_wrong_settings_are_exit_2_with_one_line(mlcore, arguments, error):
    done = mlcore(*arguments)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{ERROR}{error}\n")


def test_without_a_folder_the_root_of_the_repository_is_served_with_the_settings_that_are_here(mlcore, monkeypatch):
    monkeypatch.setenv("MLCORE_MODEL_REPOSITORY_ROOT", "of-the-environment")
    assert "'of-the-environment' is not a folder" in mlcore("serve").stderr
    monkeypatch.delenv("MLCORE_MODEL_REPOSITORY_ROOT")

    Path("settings.json").write_text('{"model_repository_root": "of-the-file"}')

    assert "'of-the-file' is not a folder" in mlcore("serve").stderr


def test_every_mistake_in_the_settings_is_a_line(mlcore, repository, monkeypatch):
    (repository / "settings.json").write_text('{"http_prot": 1, "grpc_port": 70000}')

    monkeypatch.setenv("MLCORE_METRICS_PORT", "-1")

    done = mlcore("serve", repository)

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"{ERROR}{repository}/settings.json: grpc_port: should be less than or equal to 65535, got 70000",
        f'{ERROR}environment variable MLCORE_METRICS_PORT: should be greater than or equal to 0, got "-1"',
        f"{ERROR}{repository}/settings.json: http_prot: unknown setting; did you mean 'http_port'?",
    ]


def test_a_port_in_use_is_exit_1_and_nothing_is_started(run, repository, model):
    model("m")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", repository, "--http-port", port)

    assert done.returncode == 1
    assert done.stderr == (
        f"{ERROR}the REST transport cannot listen on 127.0.0.1:{port}: Address already in use; choose another with "
        "--http-port or the setting http_port\n"
    )


def test_strict_is_exit_1_with_the_reason_of_every_model(run, repository, model):
    model("a", "1 / 0")
    model("b", "", implementation="nothing")

    done = run("serve", repository, "--http-port", "0", "--strict")

    assert done.returncode == 1
    first, second = (line.removeprefix(ERROR) for line in done.stderr.splitlines() if line.startswith(ERROR))
    assert first.startswith("model 'a': implementation: the module 'my_model' fails to import: ZeroDivisionError")
    assert second.startswith("model 'b': implementation: no runtime is called 'nothing'. Installed: ")
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_one_line(mlcore, tmp_path):
    (tmp_path / "file").touch()

    for folder in ("file", "file/inside"):
        done = mlcore("init", tmp_path / folder)
        assert done.returncode in (1, 2)
        assert done.stderr.startswith(ERROR)
        assert done.stderr.count("\n") == 1


def test_a_reader_that_goes_away_is_no_traceback():
    program = subprocess.Popen(
        [sys.executable, "-m", "mlcore", "schema", "settings"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    program.stdout.close()

    assert program.wait(60) == 1
    assert program.stderr.read() == ""
    program.stderr.close()


# --- commands of plugins ---

COMMAND = """
import sys
import threading
import time
from mlcore import hookimpl
from mlcore.commands import Command


def configure(parser):
    parser.add_argument("word")


def run(given):
    print("hello", given.word)
    return 3


@hookimpl
def mlcore_commands():
    return [Command(NAME, "Say hello.", configure, run, aliases=("hi",))]
"""


def test_a_plugin_brings_a_command(run, plugin):
    plugin("tool-hello", COMMAND.replace("NAME", "'hello'"))

    for word in ("hello", "hi"):
        done = run(word, "you")
        assert (done.stdout, done.returncode) == ("hello you\n", 3)
    assert "Say hello." in run("--help").stdout


def test_no_plugin_shadows_a_command_of_the_core(mlcore, plugin):
    plugin("tool-hello", COMMAND.replace("NAME", "'schema'"))

    assert json.loads(mlcore("schema", "settings").stdout)["title"] == "Settings"
    done = mlcore("plugins")
    assert done.returncode == 1
    assert "the command 'schema' is offered by mlcore-core and tool-hello" in done.stdout


def test_a_command_that_two_plugins_bring_is_an_error_that_names_both(mlcore, plugin):
    plugin("tool-one", COMMAND.replace("NAME", "'hello'"))
    plugin("tool-two", COMMAND.replace("NAME", "'hello'"))

    done = mlcore("hello", "you")

    assert done.returncode == 2
    assert done.stderr.startswith(f"{ERROR}the command 'hello' is offered by tool-one and tool-two; ")
    assert "hello" not in mlcore("--help").stdout


def test_a_plugin_that_is_denied_is_not_even_imported(mlcore, plugin, repository, monkeypatch):
    plugin("tool-hello", "raise SystemExit('imported')")
    (repository / "settings.json").write_text('{"plugins": {"deny": ["tool-hello"]}}')
    assert "imported" not in mlcore("check", repository).stdout
    assert "imported" in mlcore("plugins").stdout

    monkeypatch.setenv("MLCORE_PLUGINS", '{"deny": ["tool-hello"]}')
    assert "imported" not in mlcore("plugins").stdout
    assert mlcore("--help").returncode == 0


# --- serve ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_server_with_exit_0(server, repository, model, number):
    model("m")
    running = server(repository)
    assert running.get("/v2/health/ready").status == 200

    running.process.send_signal(number)

    assert running.process.wait(60) == 0
    running.stop()
    assert not [line for line in running.log if "Traceback" in line or "rror" in line]


def test_the_banner_names_transports_and_models(server, repository, model):
    model("good", parameters={"version": "v1"})
    model("bad", "1 / 0")

    running = server(repository)
    running.stop()

    up = next(index for index, line in enumerate(running.log) if line.startswith("mlcore is up after"))
    banner = [line.split() for line in running.log[up + 1 : up + 3 + len(running.urls)]]
    (rest,) = [line for line in banner if line[0] == "rest"]
    assert rest[-2:] == ["docs:", f"{running.url}/v2/docs"]
    assert {line[0] for line in banner[:-2]} == set(running.urls)
    assert banner[-2][:3] == ["model", "bad", "UNAVAILABLE"]
    assert banner[-1] == ["model", "good", "v1", "READY"]


def test_an_empty_folder_is_served_and_says_so(server, repository):
    running = server(repository)

    assert running.get("/v2/health/ready").status == 200
    running.stop()
    assert "  no models: the folder has no model-settings.json" in running.log


def test_start_is_serve(repository, run, model):
    model("m", "1 / 0")

    assert run("start", repository, "--strict", "--http-port", "0").returncode == 1


def test_lines_may_be_json(server, repository, model):
    model("m")

    running = server(repository, "--json-logs", "--debug")
    running.stop()

    events = [json.loads(line)["event"] for line in running.log]
    assert {"model ready", "mlcore is up", "stopping", "model unloaded"} <= set(events)


def test_a_model_that_is_stuck_does_not_keep_the_program_from_ending(server, repository, model):
    code = """
        import threading
        from mlcore import MLModel

        class MyModel(MLModel):
            def predict(self, payload):
                (self.settings.folder / "asked").touch()
                threading.Event().wait(600)
    """
    folder = model("m", code)
    (repository / "settings.json").write_text('{"grace_period": 0.1}')
    running = server(repository)
    host, port = running.url.removeprefix("http://").split(":")
    body = b'{"inputs": [{"name": "x", "shape": [1], "datatype": "INT8", "data": [1]}]}'
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        while not (folder / "asked").exists():
            time.sleep(0.01)
        assert running.stop(60) == 0

    assert any("a model is left behind" in line for line in running.log)


def test_a_signal_while_a_model_is_stuck_in_its_load_ends_the_program(repository, model):
    folder = model(
        "m",
        """
        import threading
        from mlcore import MLModel

        class MyModel(MLModel):
            def load(self):
                (self.settings.folder / "loading").touch()
                threading.Event().wait(600)
        """,
    )
    program = subprocess.Popen(
        [sys.executable, "-m", "mlcore", "serve", str(repository), "--http-port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (folder / "loading").exists():
        assert program.poll() is None
        time.sleep(0.01)

    program.send_signal(signal.SIGINT)

    assert program.wait(60) == 0
    assert "Traceback" not in program.stderr.read()
    program.stderr.close()


# --- in this process, for what a process hides ---


def test_main_returns_the_exit_code(capsys, tmp_path):
    assert main(["check", str(tmp_path)]) == 1
    assert main(["check", "nowhere"]) == 2
    assert capsys.readouterr().err == f"{ERROR}'nowhere' is not a folder\n"


def test_an_interrupt_outside_of_a_server_is_exit_130(plugin):
    plugin(
        "tool-hello",
        COMMAND.replace("NAME", "'hello'").replace('print("hello", given.word)', "raise KeyboardInterrupt"),
    )

    assert main(["hello", "you"]) == 130


def test_without_a_transport_nobody_could_ask(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MLCORE_PLUGINS", '{"allow": []}')

    assert main(["serve", str(tmp_path)]) == 2
    assert (
        capsys.readouterr().err == f"{ERROR}no transport is installed, so nobody could ask; pip install mlcore-server\n"
    )


def test_a_thread_of_a_model_that_ends_by_itself_is_waited_for():
    from mlcore.cli.serve import _leave_stuck_threads

    ending = threading.Thread(target=time.sleep, args=[0.1], name="mlcore-m_0")
    ending.start()

    _leave_stuck_threads(0)

    assert not ending.is_alive()
