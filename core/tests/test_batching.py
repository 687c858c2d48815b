"""Adaptive batching: when a batch is released, and that nobody in it notices the others."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlcore import MLModel, ModelSettings, Server
from mlcore.engine import Call
from mlcore.errors import InferenceError, MLCoreError
from mlcore.settings import TensorSettings
from mlcore.types import InferenceRequest, InferenceResponse, ResponseOutput


class Gated(MLModel):
    """Waits until the test lets it go, and remembers what it was called with."""

    calls: ClassVar[list[InferenceRequest]] = []
    cancelled: ClassVar[int] = 0
    gate: ClassVar[asyncio.Event]

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        self.calls.append(payload)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            type(self).cancelled += 1
            raise
        return worked(self.name, payload)


class Quick(MLModel):
    def predict(self, payload: InferenceRequest) -> InferenceResponse:
        return worked(self.name, payload)


def worked(name: str, payload: InferenceRequest) -> InferenceResponse:
    """Double numbers and turn texts around; fail for some of them."""
    scale = (payload.parameters or {}).get("scale", 2)
    outputs = []
    for tensor in payload.inputs:
        values = tensor.data.values
        if isinstance(values, np.ndarray):
            if (values == 666).any():
                raise ValueError("a bug")
            if (values == 777).any():
                raise InferenceError("not this number")
            outputs.append(output("double", values.reshape(tensor.shape) * scale, tensor.datatype))
            if values.ndim > 1 and values.shape[-1]:
                outputs.append(output("sum", values.sum(axis=-1), tensor.datatype))
        else:
            turned = [value[::-1] for value in values]
            outputs.append(
                ResponseOutput(name="turned", shape=tensor.shape, datatype="BYTES", data=turned, parameters={"a": 1})
            )
    return InferenceResponse(model_name=name, outputs=outputs, parameters={"scale": scale})


def output(name: str, values: Any, datatype: str) -> ResponseOutput:
    return ResponseOutput(name=name, shape=list(values.shape), datatype=datatype, data=values.astype(np.float32))


def call(model: str, plain: dict[str, Any]) -> Call:
    return Call(model, None, "application/json", json.dumps(plain).encode())


def numbers(*rows: Any, name: str = "x", **members: Any) -> dict[str, Any]:
    values = np.array(rows)
    tensor = {"name": name, "datatype": "FP32", "shape": list(values.shape), "data": values.ravel().tolist()}
    return {"inputs": [tensor], **members}


async def outcome(server: Server, model: str, plain: dict[str, Any]) -> Any:
    """Return what a request is answered, without what differs from one to the next."""
    try:
        answer = await server.dispatcher.infer(call(model, plain))
    except MLCoreError as error:
        return error.code, re.sub(r"error id \w+|model '\w+'", "", str(error))
    answered = json.loads(b"".join(answer.buffers))
    del answered["id"], answered["model_name"]
    return answered


@pytest.fixture(autouse=True)
def _gate() -> Iterator[None]:
    Gated.gate = asyncio.Event()
    Gated.calls.clear()
    Gated.cancelled = 0
    yield
    Gated.calls.clear()


def batched(kind: type[MLModel] = Gated, **options: Any) -> Server:
    given = {"max_batch_size": 4, **options}
    return Server(models=[ModelSettings(name="m", implementation=kind, **given)], transports=[])


async def ask(server: Server, *requests: dict[str, Any]) -> list[asyncio.Task[Any]]:
    """Begin to ask, and return once every request has come as far as it can."""
    tasks = [asyncio.create_task(outcome(server, "m", plain)) for plain in requests]
    for _ in range(10):
        await asyncio.sleep(0)
    return tasks


def rows_of_calls() -> list[int]:
    return [(payload.inputs[0].shape or [1])[0] for payload in Gated.calls]


# --- when a batch is released ---


async def test_a_lone_request_runs_at_once_and_what_waits_meanwhile_runs_together() -> None:
    async with batched() as server:
        tasks = await ask(server, *(numbers([number]) for number in range(4)))
        assert rows_of_calls() == [1]
        Gated.gate.set()
        answers = await asyncio.gather(*tasks)

    assert rows_of_calls() == [1, 3]
    assert [answer["outputs"][0]["data"] for answer in answers] == [[0.0], [2.0], [4.0], [6.0]]


async def test_a_batch_has_no_more_rows_than_it_may() -> None:
    async with batched() as server:
        tasks = await ask(server, *(numbers(*[[number]] * size) for number, size in enumerate([1, 3, 2, 2, 9, 1])))
        Gated.gate.set()
        await asyncio.gather(*tasks)

    assert rows_of_calls() == [1, 3, 4, 9, 1]


async def test_several_slots_take_what_waits_as_it_comes() -> None:
    async with batched(max_concurrency=2) as server:
        tasks = await ask(server, *(numbers([number]) for number in range(4)))
        assert rows_of_calls() == [1, 1]
        Gated.gate.set()
        await asyncio.gather(*tasks)

    assert rows_of_calls() == [1, 1, 2]


async def test_a_second_slot_waits_for_more_as_long_as_it_may() -> None:
    async with batched(max_concurrency=2, max_batch_time=30) as server:
        tasks = await ask(server, *(numbers([number]) for number in range(4)))
        assert rows_of_calls() == [1]
        tasks += await ask(server, numbers([4]))
        assert rows_of_calls() == [1, 4]
        Gated.gate.set()
        await asyncio.gather(*tasks)


async def test_what_has_waited_long_enough_runs() -> None:
    async with batched(max_concurrency=2, max_batch_time=0.01) as server:
        tasks = await ask(server, numbers([0]), numbers([1]))
        while len(Gated.calls) < 2:
            await asyncio.sleep(0.001)
        Gated.gate.set()
        await asyncio.gather(*tasks)

    assert rows_of_calls() == [1, 1]


async def test_preferred_sizes_are_waited_for_and_taken() -> None:
    Gated.gate.set()
    async with batched(max_batch_size=8, preferred_batch_sizes=[2, 4, 99], max_batch_time=30) as server:
        tasks = await ask(server, numbers([0]))
        assert not Gated.calls
        tasks += await ask(server, numbers([1]))
        assert rows_of_calls() == [2]
        tasks += await ask(server, *(numbers([number]) for number in range(5)), numbers([9]))
        await asyncio.gather(*tasks)

    assert sorted(rows_of_calls()) == [2, 2, 4]


async def test_no_preferred_size_is_waited_for_beyond_the_time() -> None:
    Gated.gate.set()
    async with batched(preferred_batch_sizes=[4], max_batch_time=0.01) as server:
        await outcome(server, "m", numbers([0]))

    assert rows_of_calls() == [1]


async def test_the_most_urgent_are_first() -> None:
    async with batched() as server:
        tasks = await ask(
            server,
            numbers([0]),
            *(numbers([number]) for number in range(1, 5)),
            numbers([5], parameters={"priority": 2}),
            numbers([6], parameters={"priority": 1}),
        )
        Gated.gate.set()
        await asyncio.gather(*tasks)

    assert [payload.inputs[0].data.tolist() for payload in Gated.calls] == [[0], [6, 5, 1, 2], [3, 4]]


# --- what may share a batch ---


@pytest.mark.parametrize(
    "other",
    [
        numbers([1.0, 2.0]),
        numbers([1.0], name="z"),
        numbers([1.0], parameters={"scale": 3}),
        numbers([1.0], outputs=[{"name": "double"}]),
        numbers([1.0], outputs=[{"name": "nothing"}]),
        {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 1], "data": [1.0]}]},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [[1.0]]}]},
        {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1, 1], "data": ["ab"]}]},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [], "data": [1.0]}]},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [0, 1], "data": []}]},
        {"inputs": numbers([1.0])["inputs"] + numbers([1.0], [2.0], name="y")["inputs"]},
        {"inputs": numbers([1.0], name="y")["inputs"] + numbers([1.0])["inputs"]},
    ],
)
async def test_requests_of_different_kinds_do_not_share_one(other: dict[str, Any]) -> None:
    async with batched() as server:
        tasks = await ask(server, numbers([0.0]), numbers([1.0]), other, numbers([2.0]))
        Gated.gate.set()
        await asyncio.gather(*tasks)

    assert len(Gated.calls) == 3
    assert rows_of_calls()[:2] == [1, 2]


@pytest.mark.parametrize("side", ["inputs", "outputs"])
async def test_a_model_whose_first_axis_is_fixed_gets_each_request_alone(side: str) -> None:
    declared = [TensorSettings(name="x", datatype="FP32", shape=[1, 1])]
    async with batched(**{side: declared}) as server:
        tasks = await ask(server, *(numbers([number]) for number in range(3)))
        Gated.gate.set()
        await asyncio.gather(*tasks)

    assert rows_of_calls() == [1, 1, 1]


async def test_a_model_sees_nothing_of_a_client_in_a_batch_or_alone() -> None:
    async with batched() as server:
        calls = [call("m", numbers([number], parameters={"timeout": 10**9, "tag": 1})) for number in range(3)]
        for one in calls:
            one.headers = [(b"authorization", b"secret")]
        tasks = [asyncio.create_task(server.dispatcher.infer(one)) for one in calls]
        await ask(server)
        Gated.gate.set()
        await asyncio.gather(*tasks)

    assert rows_of_calls() == [1, 2]
    assert all(payload.parameters == {"tag": 1} for payload in Gated.calls)


async def test_inputs_in_another_order_are_another_batch() -> None:
    pair = numbers([1.0])["inputs"] + numbers([2.0], name="y")["inputs"]
    async with batched() as server:
        tasks = await ask(server, numbers([0.0]), {"inputs": pair}, {"inputs": pair[::-1]}, {"inputs": pair})
        Gated.gate.set()
        await asyncio.gather(*tasks)

    assert [[tensor.name for tensor in payload.inputs] for payload in Gated.calls[1:]] == [["x", "y"], ["y", "x"]]
    assert rows_of_calls() == [1, 2, 1]


async def test_padding_lets_requests_of_different_lengths_share_a_batch() -> None:
    outputs = [TensorSettings(name="double", datatype="FP32", shape=[-1, -1])]
    async with batched(pad_batch=5, outputs=outputs) as server:
        tasks = await ask(server, numbers([0.0]), numbers([1.0]), numbers([1.0, 2.0]), numbers([1.0, 2.0, 3.0]))
        Gated.gate.set()
        answers = await asyncio.gather(*tasks)

    assert Gated.calls[1].inputs[0].data.tolist() == [1, 5, 5, 1, 2, 5, 1, 2, 3]
    assert [answer["outputs"][0]["shape"] for answer in answers] == [[1, 1], [1, 1], [1, 2], [1, 3]]
    assert [answer["outputs"][0]["data"] for answer in answers] == [[0.0], [2.0], [2.0, 4.0], [2.0, 4.0, 6.0]]


@pytest.mark.parametrize(("given", "is_on"), [(True, True), (False, False), (0, True), (1, True), (0.0, True)])
def test_only_false_switches_padding_off(given: Any, is_on: bool) -> None:
    read = ModelSettings.model_validate({"name": "m", "implementation": "x", "pad_batch": given})

    assert (read.pad_batch is not False) is is_on


# --- one member's fate ---


async def test_a_member_that_leaves_while_it_waits_is_left_out() -> None:
    async with batched() as server:
        tasks = await ask(server, *(numbers([number]) for number in range(4)))
        tasks[2].cancel()
        Gated.gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert [payload.inputs[0].data.tolist() for payload in Gated.calls] == [[0], [1, 3]]


async def test_a_member_that_leaves_a_running_batch_touches_nobody_and_the_last_one_cancels_it() -> None:
    async with batched(max_concurrency=2, max_batch_time=30, max_batch_size=2) as server:
        tasks = await ask(server, *(numbers([number]) for number in range(3)))
        assert rows_of_calls() == [1, 2]
        tasks[1].cancel()
        await ask(server)
        assert Gated.cancelled == 0
        tasks[2].cancel()
        await asyncio.wait(tasks[1:])
        assert Gated.cancelled == 1
        Gated.gate.set()

        assert (await tasks[0])["outputs"][0]["data"] == [0.0]


class Odd(Gated):
    """Gives one row, whatever came in."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        await super().predict(payload)
        return InferenceResponse(model_name="m", outputs=[output("n", np.array([len(payload.inputs)]), "FP32")])


class Wild(Gated):
    """Gives something that is no response."""

    async def predict(self, payload: InferenceRequest) -> Any:
        await super().predict(payload)
        return "hello"


async def test_a_model_whose_output_cannot_be_split_gets_each_request_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with batched(Odd) as server:
        tasks = await ask(server, *(numbers([number]) for number in range(4)))
        Gated.gate.set()
        answers = await asyncio.gather(*tasks)

    assert rows_of_calls() == [1, 3, 1, 1, 1]
    assert all(answer["outputs"][0]["data"] == [1.0] for answer in answers)
    assert caplog.text.count("its requests are run alone") == 1


async def test_a_model_that_gives_something_else_is_told_for_each_request() -> None:
    async with batched(Wild) as server:
        tasks = await ask(server, *(numbers([number]) for number in range(3)))
        Gated.gate.set()
        codes = [code for code, _ in await asyncio.gather(*tasks)]

    assert codes == ["internal"] * 3


# --- any mix of them ---

FLOATS = st.sampled_from([0.0, 1.0, 2.5, 666.0, 777.0]) | st.integers(-5, 5).map(float)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a request: most of them can be merged with most others, some are wrong, some fail in the model."""
    rows = draw(st.sampled_from([1, 1, 1, 2, 3, 7, 0]))
    width = draw(st.sampled_from([1, 2, 2, 3]))
    kind = draw(st.sampled_from(["numbers", "numbers", "numbers", "nested", "texts", "two", "wrong"]))
    plain: dict[str, Any] = {}
    values = draw(st.lists(FLOATS, min_size=rows * width, max_size=rows * width))
    tensor = {"name": "x", "datatype": "FP32", "shape": [rows, width], "data": values}
    if kind == "nested" and rows:
        tensor["data"] = [values[start : start + width] for start in range(0, rows * width, width)]
    if kind == "texts":
        tensor |= {"datatype": "BYTES", "data": [draw(st.text("abc", max_size=3)) for _ in values]}
    if kind == "wrong":
        tensor["shape"] = [rows + 1, width]
    plain["inputs"] = [tensor]
    if kind == "two":
        other = {**tensor, "name": "y", "data": values[::-1]}
        plain["inputs"] = [tensor, other][:: draw(st.sampled_from([1, -1]))]
    if draw(st.integers(0, 3)) == 0:
        plain["parameters"] = draw(
            st.sampled_from([{"scale": 3}, {"scale": True}, {"priority": 1}, {"timeout": 10**9}, {"priority": "high"}])
        )
    if draw(st.integers(0, 3)) == 0:
        names = st.sampled_from(["double", "sum", "turned", "none"])
        plain["outputs"] = [{"name": name} for name in draw(st.lists(names, max_size=2, unique=True))]
    return plain


@settings(max_examples=150, deadline=None)
@given(
    given=st.lists(st.tuples(requests(), st.sampled_from([None, None, None, 0, 3, 12])), min_size=1, max_size=12),
    options=st.fixed_dictionaries(
        {
            "max_batch_size": st.sampled_from([2, 4, 32]),
            "max_concurrency": st.sampled_from([None, 1, 2]),
            "pad_batch": st.booleans(),
        }
    ),
)
async def test_every_answer_is_that_of_the_same_request_alone(
    given: list[tuple[dict[str, Any], int | None]], options: dict[str, Any]
) -> None:
    declared = [TensorSettings(name=name, datatype="FP32", shape=[-1, -1]) for name in ("double", "turned")]
    models = [
        ModelSettings(name="alone", implementation=Quick, outputs=declared),
        ModelSettings(name="m", implementation=Gated, outputs=declared, **options),
    ]
    Gated.gate = asyncio.Event()
    async with Server(models=models, transports=[]) as server:
        alone = [await outcome(server, "alone", plain) for plain, _ in given]
        tasks = [asyncio.create_task(outcome(server, "m", plain)) for plain, _ in given]
        for step in range(20):
            await asyncio.sleep(0)
            for task, (_, cancelled_at) in zip(tasks, given, strict=True):
                if cancelled_at == step:
                    task.cancel()
            if step == 10:
                Gated.gate.set()
        together = await asyncio.gather(*tasks, return_exceptions=True)

    for expected, found, (_, cancelled_at) in zip(alone, together, given, strict=True):
        if cancelled_at is None or not isinstance(found, asyncio.CancelledError):
            assert found == expected


async def test_inputs_of_two_widths_are_not_padded_for_nothing_says_which_one_an_output_has() -> None:
    def pair(x: list[float], y: list[float]) -> dict[str, Any]:
        return {"inputs": [*numbers(x)["inputs"], *numbers(y, name="y")["inputs"]]}

    requests = [pair([1.0], [1.0] * 3), pair([1.0] * 3, [1.0] * 3), pair([1.0, 2.0], [3.0, 4.0])]
    outputs = [TensorSettings(name="double", datatype="FP32", shape=[-1, -1])]
    Gated.gate.set()
    async with batched(pad_batch=True, outputs=outputs) as server:
        alone = [await outcome(server, "m", request) for request in requests]
        Gated.gate.clear()
        tasks = await ask(server, numbers([0.0]), *requests)
        Gated.gate.set()
        together = await asyncio.gather(*tasks)

    assert together[1:] == alone
    assert rows_of_calls()[3:] == [1, 1, 2]
