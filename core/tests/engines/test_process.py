"""The process engine: workers are interpreters of their own, and one that dies costs only what it was working on."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from many import eventually, said, workers_of
from mlcore import MLModel, ModelSettings, Server, hookimpl
from mlcore.errors import ModelLoadError, SettingsError, UnavailableError
from mlcore.testing import call_of, response_of, start_server
from mlcore.types import InferenceRequest, RequestInput


async def test_f41_a_model_that_keeps_what_it_was_sent_uses_up_the_shared_memory_only(
    server: Server,
) -> None:
    x = np.arange(2_000_000, dtype=np.float32).reshape(-1, 1)
    for _ in range(12):  # of 8 MB each, so more than there is
        tensor = RequestInput(name="keep", shape=list(x.shape), datatype="FP32", data=x)
        call = call_of(InferenceRequest(inputs=[tensor]), "many", binary=True)
        await server.dispatcher.infer(call)
    same = RequestInput(name="same", shape=list(x.shape), datatype="FP32", data=x)

    response = response_of(await server.dispatcher.infer(call_of(InferenceRequest(inputs=[same]), "many", binary=True)))

    assert np.array_equal(np.array(response.outputs[0].data.tolist(), np.float32).reshape(-1, 1), x)


async def test_a_worker_that_dies_costs_its_own_request_only(server: Server) -> None:
    with pytest.raises(UnavailableError, match="send it again") as gone:
        await said(server, "die")
    others = {await said(server, "pid") for _ in range(10)}
    await eventually(lambda: len(workers_of()) == 2)

    assert gone.value.retry_after_s
    assert len(others) <= 2  # the next worker may be there already


async def test_a_killed_only_worker_is_replaced_with_its_models(folder: Path) -> None:
    async with Server(folder, transports=[], parallel_workers=1) as server:
        (worker,) = workers_of()
        worker.kill()
        await eventually(lambda: not server.control.is_ready)
        (item,) = server.control.index()
        pid = int(await said(server, "pid"))

        assert pid != worker.pid
        assert server.control.is_ready
        assert item.state == "UNAVAILABLE"
        assert "worker" in item.reason


async def test_stopping_leaves_no_worker(folder: Path) -> None:
    async with Server(folder, transports=[], parallel_workers=2):
        workers = workers_of()

    assert len(workers) == 2
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)


def test_f06_workers_die_with_a_killed_front(folder: Path) -> None:
    running = start_server(folder, "--parallel-workers", "2")
    workers = workers_of(running.process.pid)

    running.process.kill()
    running.process.wait()

    assert len(workers) == 2
    assert not psutil.wait_procs(workers, timeout=60)[1]


def test_sigterm_ends_front_and_workers_with_code_0(folder: Path) -> None:
    running = start_server(folder, "--parallel-workers", "2")
    workers = workers_of(running.process.pid)

    assert running.stop() == 0
    assert not psutil.wait_procs(workers, timeout=60)[1]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_f23_a_signal_of_the_terminal_to_the_whole_group_is_a_clean_stop(folder: Path, number: int) -> None:
    ports = ["--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlcore", "serve", str(folder), *ports, "--parallel-workers", "1"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    with process.stderr as log:
        next(line for line in log if line.startswith("mlcore is up"))
        os.killpg(process.pid, number)
        rest = log.read()

    assert process.wait(60) == 0
    assert "Traceback" not in rest


async def test_a_model_that_fails_to_load_says_why(folder: Path) -> None:
    (folder / "model-settings.json").write_text(
        json.dumps({"name": "many", "implementation": "many.Many", "parameters": {"extra": {"load": False}}})
    )

    async with Server(folder, transports=[], parallel_workers=1) as server:
        (item,) = server.control.index()

    assert item.state == "UNAVAILABLE"
    assert "load() returned False" in item.reason


async def test_f03_a_model_that_kills_its_worker_while_it_loads_stops_no_other(folder: Path) -> None:
    deadly = folder.parent / "deadly"
    shutil.copytree(folder, deadly)
    settings = {"name": "a-deadly", "implementation": "many.Many", "parameters": {"extra": {"load": "die"}}}
    (deadly / "model-settings.json").write_text(json.dumps(settings))

    async with Server(folder.parent, transports=[], parallel_workers=1) as server:
        await eventually(lambda: server.control.model_is_ready("many"))
        pid = await said(server, "pid")
        states = {item.name: item.state for item in server.control.index()}

    assert pid
    assert states == {"a-deadly": "UNAVAILABLE", "many": "READY"}


async def test_a_class_from_python_is_refused_where_a_worker_cannot_import_it() -> None:
    class Local(MLModel):
        pass

    async with Server(
        models=[ModelSettings(name="local", implementation=Local)], transports=[], parallel_workers=1
    ) as server:
        with pytest.raises(ModelLoadError, match="parallel_workers"):
            await server.control.load("local")


async def test_a_plugin_from_python_that_the_workers_would_need_is_refused(folder: Path) -> None:
    class Guard:
        @hookimpl
        def mlcore_predict(self, model: MLModel) -> None:
            return None

    with pytest.raises(SettingsError, match="parallel_workers"):
        async with Server(folder, plugins=[Guard()], transports=[], parallel_workers=1):
            pass
