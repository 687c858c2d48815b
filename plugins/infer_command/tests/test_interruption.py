"""A run that is killed or interrupted goes on as if nothing had been: real processes, and a real server."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlcore.testing import start_server

COUNT, CLOSED = 300, 200  # how many lines there are, and which one is not answered before the gate is open


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    return tmp_path_factory.mktemp("gate") / "open"


@pytest.fixture(scope="module")
def server(gate):
    running = start_server(Path(__file__).parent / "models", "--parallel-workers", "0", env={"GATE": str(gate)})
    yield running
    running.stop()


@pytest.fixture
def source(tmp_path, gate):
    gate.unlink(missing_ok=True)
    path = tmp_path / "in.jsonl"
    with path.open("w") as file:
        for index in range(COUNT):
            value = -index if index == CLOSED else index
            tensor = {"name": "x", "shape": [1], "datatype": "FP64", "data": [value]}
            file.write("no request\n" if index % 50 == 7 else json.dumps({"inputs": [tensor]}) + "\n")
    return path


def command(server, source, target, *options):
    return [
        *[sys.executable, "-m", "mlcore", "infer", "-m", "gate", "-u", server.url, "-w", "4"],
        *["-i", str(source), "-o", str(target), *options],
    ]


def wait_for_lines(target, count, process):
    deadline = time.monotonic() + 120
    while not target.exists() or target.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)


def assert_whole(target, is_ordered=True):
    lines = [json.loads(line) for line in target.read_bytes().splitlines()]
    indexes = [line["parameters"]["batch_index"] for line in lines]
    assert (indexes if is_ordered else sorted(indexes)) == list(range(COUNT))
    for line in lines:
        index = line["parameters"]["batch_index"]
        if index % 50 == 7:
            assert line["error"]["line"] == index + 1
        else:
            assert line["outputs"][0]["data"] == [-index if index == CLOSED else index]


@pytest.mark.parametrize(
    ("number", "options"),
    [(signal.SIGKILL, ()), (signal.SIGINT, ()), (signal.SIGTERM, ("--as-completed",))],
    ids=["killed", "interrupted", "stopped"],
)
def test_a_run_goes_on_without_a_line_lost_or_doubled(server, source, gate, tmp_path, number, options):
    target = tmp_path / "out.jsonl"
    process = subprocess.Popen(command(server, source, target, *options), stderr=subprocess.PIPE, text=True)
    # In order, nothing after the closed line is written; as completed, what the window allows.
    wait_for_lines(target, CLOSED, process)
    process.send_signal(number)
    said = process.communicate(timeout=120)[1]

    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    if number != signal.SIGKILL:
        assert said.startswith("mlcore: error: interrupted\n")
        assert said.endswith("the same command with --resume goes on from here\n")
    written = target.read_bytes().count(b"\n")
    assert CLOSED <= written < COUNT
    with target.open("ab") as file:  # what a kill in the midst of a write leaves
        file.write(b'{"model_name":"gate","outp')
    gate.touch()
    again = subprocess.run(
        command(server, source, target, "--resume", *options), stderr=subprocess.PIPE, text=True, timeout=120
    )

    assert again.returncode == 1
    assert re.match(rf"{COUNT - written} lines done, ", again.stderr)
    assert f"; {written} done earlier, " in again.stderr
    assert_whole(target, is_ordered=not options)


def test_lines_come_from_a_pipe_and_go_into_one_as_they_come(server, source, gate):
    gate.touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlcore", "infer", "-m", "gate", "-u", server.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    lines = source.read_bytes().splitlines(keepends=True)
    for index in range(3):  # each is answered before the next is there
        process.stdin.write(lines[index])
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["outputs"][0]["data"] == [index]
    rest, said = process.communicate(b"".join(lines[3:]).rstrip(b"\n"), timeout=120)

    assert len(rest.splitlines()) == COUNT - 3
    assert process.returncode == 1
    assert said.decode().startswith(f"{COUNT} lines done, 6 of them failed")


def test_an_interruption_ends_a_run_whose_pipes_stand_still(server):
    process = subprocess.Popen(
        [sys.executable, "-m", "mlcore", "infer", "-m", "gate", "-u", server.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(b"no request\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith(b'{"parameters":{"batch_index":0}')
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    process.communicate()


def test_nothing_of_its_clients_is_imported_before_it_runs():
    program = "import sys, command_infer.plugin as p; list(p.mlcore_commands()); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert not {"aiohttp", "grpclib", "numpy", "msgspec", "rich", "asyncio"} & set(done.stdout.split())
