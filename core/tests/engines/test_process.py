"""The process engine: workers are interpreters of their own, and one that dies costs only what it was working on."""

import asyncio
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
from many import asking, eventually, said, workers_of
from mlcore import MLModel, ModelSettings, Server, hookimpl
from mlcore.engine import Call
from mlcore.errors import InferenceError, InternalError, MLCoreError, ModelLoadError, SettingsError, UnavailableError
from mlcore.testing import call_of, response_of, start_server
from mlcore.types import InferenceRequest, RequestInput


async def test_models_answer_from_other_processes(server: Server) -> None:
    pids = {int(await said(server, "pid")) for _ in range(4)}

    assert pids <= {worker.pid for worker in workers_of()}


async def test_requests_at_once_go_to_every_worker(server: Server, tmp_path: Path) -> None:
    slow = asyncio.create_task(said(server, "slow", str(tmp_path)))
    await eventually((tmp_path / "began").exists)
    busy = {int(await said(server, "pid")) for _ in range(4)}
    (tmp_path / "go").touch()

    assert await slow == "done"
    assert len(busy) == 1
    assert len(workers_of()) == 2


@pytest.mark.parametrize("rows", [0, 1, 1000, 3_000_000])
async def test_tensors_of_any_size_come_back_as_they_went(server: Server, rows: int) -> None:
    x = np.arange(rows, dtype=np.float32).reshape(rows, 1)
    request = InferenceRequest(inputs=[RequestInput(name="same", shape=[rows, 1], datatype="FP32", data=x)])

    response = response_of(await server.dispatcher.infer(call_of(request, "many", binary=True)))

    assert np.array_equal(np.array(response.outputs[0].data.tolist(), np.float32).reshape(rows, 1), x)


@pytest.mark.parametrize("rows", [3, 3_000, 300_000, 9_000_000])
async def test_binary_tensors_are_aligned_writable_views(server: Server, rows: int) -> None:
    x = np.zeros((rows, 1), dtype=np.float64)
    request = InferenceRequest(id="1", inputs=[RequestInput(name="layout", shape=[rows, 1], datatype="FP64", data=x)])
    call = call_of(request, "many", binary=True)

    response = response_of(await server.dispatcher.infer(call))

    assert response.outputs[0].data.root == [b"True True False"]


async def test_a_model_that_keeps_what_it_was_sent_uses_up_the_shared_memory_and_nothing_else(server: Server) -> None:
    x = np.arange(2_000_000, dtype=np.float32).reshape(-1, 1)
    for _ in range(12):  # of 8 MB each, so more than there is
        tensor = RequestInput(name="keep", shape=list(x.shape), datatype="FP32", data=x)
        call = call_of(InferenceRequest(inputs=[tensor]), "many", binary=True)
        await server.dispatcher.infer(call)
    same = RequestInput(name="same", shape=list(x.shape), datatype="FP32", data=x)

    response = response_of(await server.dispatcher.infer(call_of(InferenceRequest(inputs=[same]), "many", binary=True)))

    assert np.array_equal(np.array(response.outputs[0].data.tolist(), np.float32).reshape(-1, 1), x)


async def test_many_requests_at_once_get_their_own_answers(server: Server) -> None:
    async def one(number: int) -> bool:
        tensor = RequestInput(name="same", shape=[1], datatype="INT64", data=[number])
        answer = await server.dispatcher.infer(call_of(InferenceRequest(inputs=[tensor]), "many"))
        return response_of(answer).outputs[0].data.root == [number]

    assert all(await asyncio.gather(*(one(number) for number in range(500))))


async def test_headers_travel_both_ways(server: Server) -> None:
    call = asking("headers")
    call.headers = [(b"x-in", b"hello")]

    answer = await server.dispatcher.infer(call)

    assert response_of(answer).outputs[0].data.root == ["hello"]
    assert answer.headers == {"x-out": "yes"}


async def test_errors_keep_their_class_text_and_status(server: Server) -> None:
    with pytest.raises(MLCoreError, match="short and stout") as teapot:
        await said(server, "teapot")
    with pytest.raises(InternalError, match="error id"):
        await said(server, "bug")
    with pytest.raises(InferenceError, match="not valid JSON"):
        await server.dispatcher.infer(Call("many", None, "application/json", b"{"))

    assert teapot.value.status_code == 418


async def test_streams_arrive_piece_by_piece(server: Server) -> None:
    words = [response_of(a).outputs[0].data.root[0] async for a in server.dispatcher.stream(asking("x", "one two"))]

    assert words == ["one", "two"]


async def test_a_stream_that_fails_says_so_after_its_good_pieces(server: Server) -> None:
    answers = server.dispatcher.stream(asking("x", "one boom"))

    first = response_of(await anext(answers))
    with pytest.raises(InferenceError, match="no boom"):
        await anext(answers)

    assert first.outputs[0].data.root == ["one"]


async def test_a_cancelled_request_is_cancelled_in_the_model(server: Server, tmp_path: Path) -> None:
    task = asyncio.create_task(said(server, "slow", str(tmp_path)))
    await eventually((tmp_path / "began").exists)

    task.cancel()

    await eventually((tmp_path / "cancelled").exists)


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


def test_workers_die_with_a_killed_front(folder: Path) -> None:
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


def test_ctrl_c_of_the_whole_group_is_a_clean_stop(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mlcore", "serve", str(folder), "--http-port", "0", "--parallel-workers", "1"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    with process.stderr as log:
        next(line for line in log if line.startswith("mlcore is up"))
        os.killpg(process.pid, signal.SIGINT)
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


async def test_a_model_that_kills_its_worker_while_it_loads_stops_no_other(folder: Path) -> None:
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
