"""What is measured of requests: outcomes, steps, sizes, and what waits; in the server's process and in workers."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from many import MODEL, asking, eventually, said
from measured import seen, total
from mlcore import ModelSettings, Server
from mlcore.engine import Answer, Call
from mlcore.errors import MLCoreError, OverloadedError
from mlcore.telemetry import instruments
from mlcore.telemetry.requests import RequestMeasures, durations_of
from mlcore.telemetry.steps import Steps
from mlcore.telemetry.tallies import Tallies

M = ("many", "")


@pytest.fixture(params=[0, 1], ids=["inline", "workers"])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Server]:
    """Return a function that makes a server of the model that does what a request says, in either engine."""

    def serve(options: dict[str, Any] | None = None, **settings: Any) -> Server:
        (tmp_path / "many.py").write_text(MODEL)
        (tmp_path / "model-settings.json").write_text(
            json.dumps({"name": "many", "implementation": "many.Many", **settings})
        )
        return Server(tmp_path, transports=[], parallel_workers=request.param, **(options or {}))

    return serve


async def test_requests_are_measured_by_outcome_and_step(serve: Callable[..., Server]) -> None:
    async with serve() as server:
        for _ in range(3):
            await said(server, "same", "x")
        for failing in ("bug", "teapot"):
            with pytest.raises(MLCoreError):
                await said(server, failing, "x")
        with pytest.raises(MLCoreError):
            await server.dispatcher.infer(Call("many", None, "application/json", b"{"))

        tallies = server.tallies
        # An error's class decides, also where it has a status of its own.
        assert seen(tallies, instruments.REQUEST_DURATION) == {
            (*M, "ok"): 3,
            (*M, "internal"): 2,
            (*M, "invalid_argument"): 1,
        }
        for step in ("QUEUE", "DECODE", "PREDICT", "ENCODE"):
            assert seen(tallies, getattr(instruments, f"{step}_DURATION")) == {M: 3}
        assert seen(tallies, instruments.BATCH_WAIT_DURATION) == {}
        assert seen(tallies, instruments.REQUEST_SIZE) == {M: 6}
        assert seen(tallies, instruments.RESPONSE_SIZE) == {M: 3}
        assert seen(tallies, instruments.MODEL_LOAD_DURATION) == {(*M, "ok"): 1}
        assert seen(tallies, instruments.REQUESTS_ACTIVE) == {M: 0}


@pytest.mark.parametrize("serve", [0], indirect=True)
async def test_the_steps_are_parts_of_the_whole(serve: Callable[..., Server]) -> None:
    async with serve() as server:
        await said(server, "busy", "0.05")

        whole = total(server.tallies, instruments.REQUEST_DURATION)
        steps = {
            name: total(server.tallies, getattr(instruments, f"{name}_DURATION"))
            for name in ("QUEUE", "DECODE", "PREDICT", "ENCODE")
        }
        assert steps["PREDICT"] >= 0.05
        assert all(0 < step < whole for step in steps.values())
        assert sum(steps.values()) <= whole


async def test_a_model_with_batches_has_a_wait_for_its_batch_and_rows(serve: Callable[..., Server]) -> None:
    async with serve(max_batch_size=4) as server:
        await asyncio.gather(*(said(server, "same", "x") for _ in range(8)))

        assert seen(server.tallies, instruments.BATCH_WAIT_DURATION) == {M: 8}
        await eventually(lambda: total(server.tallies, instruments.BATCH_ROWS) == 8)
        assert {labels[:2] for labels in seen(server.tallies, instruments.BATCH_ROWS)} == {M}


async def test_a_stream_is_one_request_with_the_steps_of_all_its_answers(serve: Callable[..., Server]) -> None:
    async with serve() as server:
        answers = [answer async for answer in server.dispatcher.stream(asking("text", "three words here"))]
        with pytest.raises(MLCoreError):
            [answer async for answer in server.dispatcher.stream(asking("text", "then boom"))]

        tallies = server.tallies
        assert seen(tallies, instruments.REQUEST_DURATION) == {(*M, "ok"): 1, (*M, "invalid_argument"): 1}
        sizes = [sum(map(len, answer.buffers)) for answer in answers]
        assert total(tallies, instruments.RESPONSE_SIZE) == sum(sizes)
        assert seen(tallies, instruments.PREDICT_DURATION) == {M: 1}
        steps = [answer.steps for answer in answers if answer.steps is not None]
        encoded = sum(step.encoded - step.ended for step in steps)
        assert total(tallies, instruments.ENCODE_DURATION) == pytest.approx(encoded)


async def test_what_is_given_up_counts_as_cancelled(serve: Callable[..., Server], tmp_path: Path) -> None:
    async with serve() as server:
        asked = asyncio.ensure_future(server.dispatcher.infer(asking("slow", str(tmp_path))))
        await eventually((tmp_path / "began").exists)
        assert seen(server.tallies, instruments.REQUESTS_ACTIVE) == {M: 1}
        asked.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asked
        stream = server.dispatcher.stream(asking("text", "a b"))
        await anext(stream)
        await stream.aclose()

        assert seen(server.tallies, instruments.REQUEST_DURATION) == {(*M, "cancelled"): 2}
        assert seen(server.tallies, instruments.REQUESTS_REFUSED) == {(*M, "cancelled"): 2}


@pytest.mark.parametrize("serve", [0], indirect=True)
async def test_what_is_refused_or_late_counts_too(serve: Callable[..., Server], tmp_path: Path) -> None:
    async with serve(max_queue_size=0, max_concurrency=1, request_timeout=2) as server:
        asked = asyncio.ensure_future(server.dispatcher.infer(asking("slow", str(tmp_path))))
        await eventually((tmp_path / "began").exists)
        with pytest.raises(OverloadedError):
            await said(server, "same", "x")
        with pytest.raises(MLCoreError, match="2 s"):
            await asked

        outcomes = seen(server.tallies, instruments.REQUEST_DURATION)
        assert outcomes == {(*M, "overloaded"): 1, (*M, "deadline_exceeded"): 1}
        assert seen(server.tallies, instruments.REQUESTS_REFUSED) == {(*M, "queue"): 1, (*M, "deadline"): 1}


async def test_an_answer_from_the_cache_has_no_predict(serve: Callable[..., Server]) -> None:
    async with serve({"cache_enabled": True, "cache_size": 1}, cache_enabled=True) as server:
        for text in ("a", "a", "b"):
            await said(server, "same", text)

        assert seen(server.tallies, instruments.DECODE_DURATION) == {M: 3}
        assert seen(server.tallies, instruments.PREDICT_DURATION) == {M: 2}
        await eventually(lambda: bool(seen(server.tallies, instruments.CACHE_EVICTIONS)))
        assert seen(server.tallies, instruments.CACHE_LOOKUPS) == {(*M, "hit"): 1, (*M, "miss"): 2}
        assert seen(server.tallies, instruments.CACHE_EVICTIONS) == {(*M, "size"): 1}


@pytest.mark.parametrize("serve", [0], indirect=True)
async def test_nobody_can_make_series_with_names_of_models_that_there_are_not(serve: Callable[..., Server]) -> None:
    async with serve() as server:
        for model, version in (("other", None), ("many", "v9")):
            with pytest.raises(MLCoreError):
                await server.dispatcher.infer(Call(model, version, "application/json", b"{}"))

        assert seen(server.tallies, instruments.REQUEST_DURATION) == {}


async def test_a_model_that_is_unloaded_leaves_no_series(serve: Callable[..., Server]) -> None:
    async with serve(max_batch_size=2) as server:
        await said(server, "same", "x")
        await server.control.load("many")
        await said(server, "same", "x")
        assert seen(server.tallies, instruments.REQUEST_DURATION) == {(*M, "ok"): 2}

        await server.control.unload("many")

        assert all(labels[:1] != ("many",) for _, series in server.tallies.series() for labels, _ in series)
        assert seen(server.tallies, instruments.MODEL_STATE) == {}


async def test_the_state_of_a_model_is_one_of_four() -> None:
    async with Server(models=[ModelSettings(name="m", implementation="no_such.Model")], transports=[]) as server:
        assert seen(server.tallies, instruments.MODEL_STATE) == {
            ("m", "", "LOADING"): 0,
            ("m", "", "READY"): 0,
            ("m", "", "UNAVAILABLE"): 1,
            ("m", "", "UNLOADING"): 0,
        }
        assert seen(server.tallies, instruments.MODEL_LOAD_DURATION) == {("m", "", "failed"): 1}


def test_the_code_of_a_model_s_own_error_makes_no_series() -> None:
    class OwnError(MLCoreError):
        code = "whatever"

    tallies = Tallies()
    call = Call("m", None, "application/json", b"")

    RequestMeasures(tallies, "m", "").failed(call, OwnError("x"))

    assert seen(tallies, instruments.REQUEST_DURATION) == {("m", "", "internal"): 1}


@pytest.mark.parametrize(
    ("steps", "durations"),
    [
        (Steps(12, 13, 15, 18, 22), (2 + 2, 1, None, 3, 4)),
        (Steps(12, 13, 15, 18, 22, is_batched=True), (2, 1, 2, 3, 4)),
        (Steps(12, 13, 0, 18, 22), (2, 1, None, None, 4)),
    ],
    ids=["alone", "in a batch", "from the cache"],
)
def test_the_parts_of_a_request_do_not_overlap(steps: Steps, durations: tuple[float | None, ...]) -> None:
    assert durations_of(Call("m", None, "", b"", arrived=10, sent=12), steps) == durations


def test_an_engine_may_take_no_note_of_steps() -> None:
    tallies = Tallies()

    RequestMeasures(tallies, "m", "").answered(Call("m", None, "", b"ab"), Answer("", [b"a", b"bc"]))

    assert total(tallies, instruments.RESPONSE_SIZE) == 3
    assert seen(tallies, instruments.QUEUE_DURATION) == {}
