"""The response cache: what counts as the same request, what is kept, and for how long."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlcore import MLModel, ModelSettings, Server, hookimpl
from mlcore.engine import Call
from mlcore.errors import InferenceError
from mlcore.response_cache import key_of
from mlcore.types import InferenceRequest, InferenceResponse, ResponseOutput


class Counting(MLModel):
    """Says how often it was asked, in an array that it fills anew each time."""

    def load(self) -> None:
        self.asked = np.zeros(1, np.int64)

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        self.asked += 1
        if payload.inputs[0].name == "wrong":
            raise InferenceError("wrong")
        texts = ResponseOutput(name="texts", shape=[1], datatype="BYTES", data=["a" * 100])
        count = ResponseOutput(name="count", shape=[1], datatype="INT64", data=self.asked, parameters={"a": 1})
        return InferenceResponse(model_name=self.name, outputs=[count, texts], parameters={"headers": {"x": "y"}})


def request(value: float = 1.0, name: str = "x", **members: Any) -> dict[str, Any]:
    return {"inputs": [{"name": name, "datatype": "FP32", "shape": [1], "data": [value]}], **members}


@asynccontextmanager
async def cached(model: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[Server]:
    settings = ModelSettings(name="m", implementation=Counting, **{"cache_enabled": True, **(model or {})})
    async with Server(models=[settings], transports=[], **{"cache_enabled": True, **options}) as server:
        yield server


async def asked(server: Server, plain: dict[str, Any], headers: list[tuple[bytes, bytes]] | None = None) -> Any:
    answer = await server.dispatcher.infer(
        Call("m", None, "application/json", json.dumps(plain).encode(), headers=headers or [])
    )
    return json.loads(b"".join(answer.buffers))


async def count(server: Server, plain: dict[str, Any]) -> int:
    return int((await asked(server, plain))["outputs"][0]["data"][0])


async def test_an_equal_request_gets_the_same_answer_with_its_own_id() -> None:
    async with cached() as server:
        first = await asked(server, request(id="a", parameters={"priority": 1}), [(b"user-agent", b"one")])
        await count(server, request(2.0))
        second = await asked(server, request(id="b", parameters={"timeout": 10**9}), [(b"user-agent", b"two")])

    assert (first["id"], second["id"]) == ("a", "b")
    assert first["outputs"] == second["outputs"]
    assert first["outputs"][0]["data"] == [1]


@pytest.mark.parametrize(
    "other",
    [
        request(2.0),
        request(-0.0),
        request(name="y"),
        request(parameters={"a": 1}),
        request(outputs=[{"name": "count"}]),
        {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [1.0]}]},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1.0]}]},
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0], "parameters": {"a": True}}]},
    ],
)
async def test_a_request_that_differs_is_asked_of_the_model(other: dict[str, Any]) -> None:
    async with cached() as server:
        await count(server, request())
        await count(server, request(0.0))

        assert await count(server, other) == 3


@pytest.mark.parametrize(("server_has", "model_has"), [(True, False), (False, True)])
async def test_both_have_to_ask_for_it(server_has: bool, model_has: bool) -> None:
    async with cached({"cache_enabled": model_has}, cache_enabled=server_has) as server:
        assert [await count(server, request()) for _ in range(2)] == [1, 2]


async def test_errors_are_not_kept() -> None:
    async with cached() as server:
        for _ in range(2):
            with pytest.raises(InferenceError):
                await count(server, request(name="wrong"))

        assert await count(server, request()) == 3


async def test_the_answer_that_was_not_used_for_longest_goes_first() -> None:
    async with cached(cache_size=2) as server:
        for value in (1.0, 2.0, 1.0, 3.0):
            await count(server, request(value))

        assert await count(server, request(1.0)) == 1
        assert await count(server, request(2.0)) == 4


async def test_answers_have_no_more_bytes_than_they_may() -> None:
    async with cached(cache_bytes=3000) as server:
        for value in (1.0, 2.0, 3.0):
            await count(server, request(value))

        assert await count(server, request(3.0)) == 3
        assert await count(server, request(1.0)) == 4


async def test_an_answer_that_is_too_large_is_not_kept() -> None:
    async with cached(cache_bytes=500) as server:
        assert [await count(server, request()) for _ in range(2)] == [1, 2]


async def test_an_answer_is_given_for_as_long_as_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now

    monkeypatch.setattr("mlcore.response_cache.time", Clock)
    async with cached(cache_ttl=5) as server:
        assert await count(server, request()) == 1
        now += 4
        assert await count(server, request()) == 1
        now += 1
        assert await count(server, request()) == 2


async def test_a_reload_clears_it() -> None:
    async with cached() as server:
        await count(server, request(2.0))
        assert await count(server, request()) == 2
        await server.control.load("m")

        assert await count(server, request()) == 1


async def test_a_plugins_wrapper_sees_every_request() -> None:
    seen = []

    class Guard:
        @hookimpl
        def mlcore_predict(self, model: MLModel) -> Any:
            def wrapper(predict: Any) -> Any:
                async def guarded(payload: InferenceRequest) -> InferenceResponse:
                    seen.append(payload.id)
                    return await predict(payload)

                return guarded

            return wrapper

    async with cached(plugins=[Guard()]) as server:
        for name in "ab":
            await asked(server, request(id=name))

    assert seen == ["a", "b"]


PARAMETERS = st.dictionaries(
    st.sampled_from(["a", "b", "headers"]),
    st.sampled_from(["", "1", 1, True, 1.0, 0, False]),
    max_size=2,
)


def numbers(datatype: str, kind: type, values: list[int]) -> dict[str, Any]:
    return {"name": "x", "datatype": datatype, "shape": [len(values)], "data": np.array(values, kind)}


TENSORS = st.one_of(
    st.lists(st.text("ab", max_size=2) | st.binary(max_size=2), min_size=1, max_size=3).map(
        lambda data: {"name": "x", "datatype": "BYTES", "shape": [len(data)], "data": data}
    ),
    st.tuples(
        st.sampled_from([("FP32", np.float32), ("INT32", np.int32), ("UINT8", np.uint8)]),
        st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=4),
    ).map(
        lambda drawn: {
            "name": "x",
            "datatype": drawn[0][0],
            "shape": [len(drawn[1])],
            "data": np.array(drawn[1], drawn[0][1]),
        }
    ),
)


def meaning(plain: dict[str, Any]) -> str:
    """Return a text that is equal for two requests exactly if they ask the same."""
    tensor = {**plain["tensor"], "data": repr(plain["tensor"]["data"])}
    parameters = sorted((k, repr(v)) for k, v in plain["parameters"].items() if k != "headers")
    return repr((plain["names"], parameters, tensor))


REQUESTS = st.fixed_dictionaries(
    {"tensor": TENSORS, "parameters": PARAMETERS, "names": st.lists(st.sampled_from("xy"), unique=True, max_size=2)}
)


@given(REQUESTS, REQUESTS)
def test_keys_are_equal_exactly_if_the_requests_ask_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    def key(plain: dict[str, Any]) -> bytes:
        return key_of(
            InferenceRequest.model_validate(
                {
                    "inputs": [plain["tensor"]],
                    "parameters": plain["parameters"],
                    "outputs": [{"name": name} for name in plain["names"]],
                }
            )
        )

    assert (key(one) == key(other)) == (meaning(one) == meaning(other))
