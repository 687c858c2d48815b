"""Requests through workers: they, their tensors, headers, errors and streams travel whole. All ask one server."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from many import MODEL, asking, eventually, said, workers_of
from mlcore import Server
from mlcore.engine import Call
from mlcore.errors import InferenceError, InternalError, MLCoreError
from mlcore.testing import call_of, response_of
from mlcore.types import InferenceRequest, RequestInput

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Return a server of a model in two workers."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "many.py").write_text(MODEL)
    (folder / "model-settings.json").write_text(json.dumps({"name": "many", "implementation": "many.Many"}))
    async with Server(folder, transports=[], parallel_workers=2) as running:
        yield running


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
