"""Models that raise what they should not, and answer what they cannot: it costs their own request, and nothing else."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from many import MODEL
from mlcore.testing import start_server
from standing import Standing, control_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore.testing.process import RunningServer

FAULTY = """
import numpy as np
from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.types import InferenceResponse, ResponseOutput


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("not even a text")

    __repr__ = __str__


class Sealed(Exception):
    def __reduce__(self):
        raise TypeError("this cannot be pickled")


class Root(BaseException):
    pass


RAISED = {
    "ValueError": ValueError("/secret/path"),
    "KeyError": KeyError("/secret/path"),
    "SystemExit": SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "GeneratorExit": GeneratorExit(),
    "StopIteration": StopIteration(),
    "StopAsyncIteration": StopAsyncIteration(),
    "BaseException": Root("/secret/path"),
    "MemoryError": MemoryError(),
    "RecursionError": RecursionError(),
    "TimeoutError": TimeoutError("/secret/path"),
    "Silent": Silent(),
    "Sealed": Sealed("/secret/path"),
}


def returned(name, model):
    def output(**members):
        made = ResponseOutput(**{"name": "y", "shape": [2], "datatype": "FP32", "data": [1.0, 2.0], **members})
        return InferenceResponse(model_name=model, outputs=[made])

    return {
        "None": lambda: None,
        "text": lambda: "text",
        "dict": lambda: {"outputs": []},
        "generator": lambda: (number for number in range(3)),
        "shape": lambda: output(shape=[3]),
        "datatype": lambda: output(datatype="FP33"),
        "objects": lambda: output(data=np.array([object(), object()])),
        "ragged": lambda: output(data=[[1.0], [1.0, 2.0]]),
        "words": lambda: output(data=["a", "b"]),
    }[name]()


class Faulty(MLModel):
    async def predict(self, payload):
        return self.fail(payload)

    def fail(self, payload):
        (word,) = self.decode(payload.inputs[0], StringCodec)
        if payload.inputs[0].name == "raise":
            raise RAISED[word]
        return returned(word, self.name)


class Mixed(MLModel):
    async def predict(self, payload):
        words = self.decode(payload.inputs[0], StringCodec)
        for word in words:
            if word in RAISED:
                raise RAISED[word]
        output = StringCodec.encode_output("same", words, use_bytes=False)
        output.shape = payload.inputs[0].shape
        return InferenceResponse(model_name=self.name, outputs=[output])


class Threaded(Faulty):
    def predict(self, payload):
        return self.fail(payload)
"""

RAISED = [
    "ValueError",
    "KeyError",
    "SystemExit",
    "KeyboardInterrupt",
    "GeneratorExit",
    "StopIteration",
    "StopAsyncIteration",
    "BaseException",
    "MemoryError",
    "RecursionError",
    "TimeoutError",
    "Silent",
    "Sealed",
]
RETURNED = ["None", "text", "dict", "generator", "shape", "datatype", "objects", "ragged", "words"]


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("failing")
    settings = {
        "many": ("many.Many", {}),
        "faulty": ("faulty.Faulty", {}),
        "threaded": ("faulty.Threaded", {}),
        "mixed": ("faulty.Mixed", {"max_batch_size": 8, "max_batch_time": 0.05}),
        "batched": ("faulty.Faulty", {"max_batch_size": 4, "max_batch_time": 0.01}),
    }
    for name, (implementation, more) in settings.items():
        place = folder / name
        place.mkdir()
        (place / f"{implementation.partition('.')[0]}.py").write_text(MODEL if name == "many" else FAULTY)
        (place / "model-settings.json").write_text(json.dumps({"name": name, "implementation": implementation, **more}))
    server = start_server(folder, "--parallel-workers", "1")
    for _ in range(20):
        control_answer(server)
    yield server
    server.stop()


def ask(server: RunningServer, model: str, kind: str, word: str):
    return server.infer(model, {"name": kind, "datatype": "BYTES", "shape": [1], "data": [word]})


@pytest.mark.parametrize("model", ["faulty", "threaded", "batched"])
@pytest.mark.parametrize("word", RAISED)
def test_f11_whatever_a_model_raises_is_a_500_that_says_nothing_of_it(failing, model: str, word: str) -> None:
    stood = Standing(failing)

    answer = ask(failing, model, "raise", word)

    assert answer.status == 500, answer.body
    assert set(answer.json()) == {"error"}
    assert "error id" in answer.json()["error"]
    assert "secret" not in answer.json()["error"]
    stood.check(is_traced=True, warnings=2)


@pytest.mark.parametrize("model", ["faulty", "threaded", "batched"])
@pytest.mark.parametrize("word", RETURNED)
def test_f12_whatever_a_model_returns_is_a_500_that_says_what_is_wrong(failing, model: str, word: str) -> None:
    stood = Standing(failing)

    answer = ask(failing, model, "return", word)

    assert answer.status == 500, answer.body
    assert set(answer.json()) == {"error"}
    stood.check(is_traced=True, warnings=2)


@pytest.mark.parametrize("word", RAISED)
def test_f40_what_ends_a_batch_is_the_error_of_one_member_only(failing, word: str) -> None:
    stood = Standing(failing)
    words = [*(f"text {number}" for number in range(7)), word]

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda word: ask_one(failing, word), words))

    assert [answer.status for answer in answers] == [200] * 7 + [500], [answer.body for answer in answers]
    assert [answer.json()["outputs"][0]["data"] for answer in answers[:7]] == [[word] for word in words[:7]]
    assert "secret" not in answers[7].json()["error"]
    stood.check(is_traced=True, warnings=3)


def ask_one(server: RunningServer, word: str):
    return server.infer("mixed", {"name": "same", "datatype": "BYTES", "shape": [1, 1], "data": [word]})
