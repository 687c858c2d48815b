"""tritonclient's gRPC clients, unchanged, against a real server process."""

from __future__ import annotations

import asyncio
import inspect
import queue
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
from mlcore.testing import start_server
from tritonclient.utils import InferenceServerException

ARRAYS = {
    "BOOL": np.array([[True, False], [False, True]]),
    "UINT8": np.array([[0, 255]], np.uint8),
    "UINT16": np.array([[0, 2**16 - 1]], np.uint16),
    "UINT32": np.array([[0, 2**32 - 1]], np.uint32),
    "UINT64": np.array([[0, 2**64 - 1]], np.uint64),
    "INT8": np.array([[-128, 127]], np.int8),
    "INT16": np.array([[-(2**15), 2**15 - 1]], np.int16),
    "INT32": np.array([[-(2**31), 2**31 - 1]], np.int32),
    "INT64": np.array([[-(2**63), 2**63 - 1, 2**53 + 1]], np.int64),
    "FP16": np.array([[0.5, -65504, 6e-8]], np.float16),
    "BF16": np.array([[0.5, -3e38, 1e-38]], ml_dtypes.bfloat16),
    "FP32": np.array([[0.1, -3.4e38, 1e-45]], np.float32),
    "FP64": np.array([[0.1, -1.7e308, 5e-324]], np.float64),
    "BYTES": np.array([[b"", b"a"], [b"\x00\xff\xfe", b"\x00" * 1000]], np.object_),
    "BYTES of text": np.array([["", "a"], ["h\u00e9llo \U0001f600", 'quote " and \n line']], np.object_),
    "FP32 beyond numbers": np.array([[np.inf, -np.inf, np.nan]], np.float32),
    "FP32 of no rows": np.zeros((0, 3), np.float32),
    "FP32, large": np.arange(240_000, dtype=np.float32).reshape(-1, 3),
}
X = np.array([[0.5, -1]], np.float32)


@pytest.fixture(scope="module")
def server():
    running = start_server(Path(__file__).parent / "models")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def address(server):
    return server.urls["grpc"].removeprefix("grpc://")


@pytest.fixture(params=[tritonclient.grpc, tritonclient.grpc.aio], ids=["sync", "aio"])
def client(request, address):
    """Return one of the clients, its calls plain ones in both cases."""
    with asyncio.Runner() as runner:
        plain = Plain(request.param, address, runner)
        yield plain
        plain.close()


class Plain:
    """A client whose coroutines are waited for."""

    def __init__(self, module, address, runner):
        async def made():
            return module.InferenceServerClient(address)

        self._run = runner.run
        self._client = self._run(made())

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if not inspect.iscoroutinefunction(method):
            return method
        return lambda *arguments, **named: self._run(method(*arguments, **named))


def tensor(name, array):
    """Return an input of the client."""
    made = tritonclient.grpc.InferInput(name, list(array.shape), tritonclient.utils.np_to_triton_dtype(array.dtype))
    return made.set_data_from_numpy(array)


def text(*words):
    return tensor("text", np.array(words, np.object_))


def as_bytes(array):
    return [value.encode() if isinstance(value, str) else value for value in array.reshape(-1).tolist()]


def assert_same(sent, got):
    assert got.shape == sent.shape
    if sent.dtype == np.object_:
        assert as_bytes(got) == as_bytes(sent)
    elif sent.dtype == ml_dtypes.bfloat16:
        np.testing.assert_array_equal(got, sent.astype(np.float32))
    else:
        assert got.dtype == sent.dtype
        np.testing.assert_array_equal(got, sent)


def test_health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("echo")
    assert client.is_model_ready("echo", "3")
    with pytest.raises(InferenceServerException, match="Model echo with version 4 not found"):
        client.is_model_ready("echo", "4")
    assert client.get_server_metadata().name == "mlcore"
    assert "model_repository" in client.get_server_metadata().extensions
    assert client.get_model_metadata("failing", as_json=True) == {
        "name": "failing",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": ["-1"]}],
        "outputs": [{"name": "y", "datatype": "BYTES", "shape": ["1"]}],
    }


@pytest.mark.parametrize("name", ARRAYS)
def test_every_datatype_comes_back(client, name):
    result = client.infer("echo", [tensor("x", ARRAYS[name])])

    assert_same(ARRAYS[name], result.as_numpy("x"))


def test_only_the_requested_outputs_come_in_their_order(client):
    inputs = [tensor(name, ARRAYS[name]) for name in ("FP64", "BYTES", "BOOL")]
    wanted = [tritonclient.grpc.InferRequestedOutput(name) for name in ("BOOL", "BYTES")]
    result = client.infer("echo", inputs, outputs=wanted)

    assert [output.name for output in result.get_response().outputs] == ["BOOL", "BYTES"]
    assert_same(ARRAYS["BYTES"], result.as_numpy("BYTES"))
    assert result.as_numpy("FP64") is None


def test_id_version_and_parameters_reach_the_model_and_come_back(client):
    parameters = {"text": "t", "number": 7, "fraction": 0.5, "truth": True}
    result = client.infer(
        "echo", [tensor("x", X)], model_version="3", request_id="my-id", priority=1, parameters=parameters
    ).get_response()

    assert (result.id, result.model_name, result.model_version) == ("my-id", "echo", "3")
    assert result.parameters["text"].string_param == "t"
    assert result.parameters["number"].int64_param == 7
    assert result.parameters["fraction"].double_param == 0.5
    assert result.parameters["truth"].bool_param is True


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
@pytest.mark.parametrize("array", [X, ARRAYS["FP32, large"]], ids=["small", "large"])
def test_requests_and_answers_may_be_compressed(client, compression, array):
    result = client.infer("echo", [tensor("x", array)], compression_algorithm=compression)

    assert_same(array, result.as_numpy("x"))


@pytest.mark.parametrize(
    ("model", "inputs", "message", "status"),
    [
        ("nope", [tensor("x", X)], "Model nope not found", "NOT_FOUND"),
        ("failing", [tensor("x", np.array([1], np.float32))], "x: expected a number that", "INVALID_ARGUMENT"),
        ("failing", [tensor("x", np.array([-1], np.float32))], "error id", "INTERNAL"),
        ("echo", [tensor("x", X), tensor("x", X)], "same name", "INVALID_ARGUMENT"),
    ],
)
def test_errors_are_raised_with_their_message_and_status(client, model, inputs, message, status):
    with pytest.raises(InferenceServerException) as error:
        client.infer(model, inputs)

    assert message in error.value.message()
    assert error.value.status() == f"StatusCode.{status}"


def test_what_is_not_served_is_an_error_with_a_message(client):
    for ask in (client.get_inference_statistics, client.get_log_settings, client.get_system_shared_memory_status):
        with pytest.raises(InferenceServerException, match="there is no method /inference") as error:
            ask()
        assert error.value.status() == "StatusCode.UNIMPLEMENTED"


def test_models_are_unloaded_and_loaded(client):
    def states():
        return {item.name: item.state for item in client.get_model_repository_index().models}

    assert states()["echo"] == "READY"
    client.unload_model("echo")
    assert states()["echo"] == "UNAVAILABLE"
    with pytest.raises(InferenceServerException, match="Model echo not found"):
        client.infer("echo", [tensor("x", X)])
    client.load_model("echo")
    assert states()["echo"] == "READY"
    assert_same(X, client.infer("echo", [tensor("x", X)]).as_numpy("x"))


def test_loading_what_is_not_there_or_comes_along_is_an_error(client):
    with pytest.raises(InferenceServerException, match="Model nope not found"):
        client.load_model("nope")
    with pytest.raises(InferenceServerException, match=r"parameters\.config"):
        client.load_model("echo", config="{}")


def test_a_client_that_has_no_time_left_is_told_so(client):
    with pytest.raises(InferenceServerException) as error:
        client.infer("words", [text("slow")], client_timeout=0.3)

    assert error.value.status() == "StatusCode.DEADLINE_EXCEEDED"


def test_a_tensor_of_almost_the_largest_message_comes_back(client):
    large = np.arange(16 * 2**20 - 1024, dtype=np.float32)

    assert_same(large, client.infer("echo", [tensor("x", large)]).as_numpy("x"))


def test_a_message_over_the_limit_is_refused_by_name(client):
    large = np.zeros(16 * 2**20, np.float32)
    with pytest.raises(InferenceServerException, match="grpc_max_message_length") as error:
        client.infer("echo", [tensor("x", large)])

    assert error.value.status() == "StatusCode.RESOURCE_EXHAUSTED"


class Answers:
    """What a stream answers."""

    def __init__(self):
        self._queue = queue.Queue()

    def __call__(self, result, error):
        self._queue.put((result, error))

    def next(self):
        return self._queue.get(timeout=60)

    def words(self, count):
        """Return the id and the word of so many answers."""
        return [
            (result.get_response().id, result.as_numpy("word").item().decode())
            for result, error in (self.next() for _ in range(count))
            if error is None
        ]


@pytest.fixture
def stream(address):
    """Return a client with an open stream, and what it answers."""
    with tritonclient.grpc.InferenceServerClient(address) as client:
        answers = Answers()
        client.start_stream(answers)
        yield client, answers
        client.stop_stream(cancel_requests=True)


def test_a_request_of_a_stream_has_as_many_answers_as_its_model_gives(stream):
    client, answers = stream
    client.async_stream_infer("words", [text("to be or not")], request_id="a")

    assert answers.words(4) == [("a", "to"), ("a", "be"), ("a", "or"), ("a", "not")]


def test_a_model_without_streams_answers_a_request_of_a_stream_once(stream):
    client, answers = stream
    for number in range(3):
        client.async_stream_infer("echo", [tensor("x", X + number)], request_id=str(number))

    got = {result.get_response().id: result.as_numpy("x") for result, _ in (answers.next() for _ in range(3))}
    assert got.keys() == {"0", "1", "2"}
    assert_same(X + 2, got["2"])


def test_an_error_within_a_stream_is_told_by_its_id_and_the_stream_goes_on(stream):
    client, answers = stream
    for number, words in enumerate(["one", "two", "boom", "four", "five"]):
        client.async_stream_infer("words", [text(words)], request_id=str(number))
    told = [answers.next() for _ in range(5)]

    words = sorted(result.as_numpy("word").item().decode() for result, error in told if error is None)
    assert words == ["five", "four", "one", "two"]
    assert [error.message() for _, error in told if error is not None] == ["no boom"]


def test_the_model_may_change_within_a_stream(stream):
    client, answers = stream
    client.async_stream_infer("words", [text("a")], request_id="1")
    assert answers.words(1) == [("1", "a")]
    client.async_stream_infer("echo", [tensor("word", np.array(["b"], np.object_))], request_id="2")
    assert answers.words(1) == [("2", "b")]
    client.async_stream_infer("nope", [text("a")], request_id="3")
    assert "Model nope not found" in answers.next()[1].message()


def test_a_long_request_of_a_stream_does_not_hold_up_the_others(stream):
    client, answers = stream
    client.async_stream_infer("words", [text("first slow")], request_id="long")
    assert answers.words(1) == [("long", "first")]
    client.async_stream_infer("words", [text("quick")], request_id="short")

    assert answers.words(1) == [("short", "quick")]


def test_the_requests_of_one_sequence_are_answered_in_their_order(stream):
    client, answers = stream
    for number in range(8):
        client.async_stream_infer("words", [text(f"{number} {number}")], request_id=str(number), sequence_id=7)

    assert answers.words(16) == [(str(number), str(number)) for number in range(8) for _ in range(2)]


def test_an_empty_final_answer_comes_if_it_is_asked_for(stream):
    client, answers = stream
    client.async_stream_infer("words", [text("a")], request_id="1", enable_empty_final_response=True)
    assert answers.words(1) == [("1", "a")]
    final = answers.next()[0].get_response()

    assert final.id == "1"
    assert final.parameters["triton_final_response"].bool_param
    assert not final.outputs


def test_an_error_becomes_the_status_of_a_stream_that_asks_for_it(address):
    with tritonclient.grpc.InferenceServerClient(address) as client:
        answers = Answers()
        client.start_stream(answers, headers={"triton_grpc_error": "true"})
        client.async_stream_infer("words", [text("boom")])

        error = answers.next()[1]
        assert (error.message(), error.status()) == ("no boom", "StatusCode.INVALID_ARGUMENT")
        client.stop_stream(cancel_requests=True)


async def test_the_aio_client_streams(address):
    async def requests():
        for number in range(3):
            yield {"model_name": "words", "inputs": [text("a b")], "request_id": str(number)}

    async with tritonclient.grpc.aio.InferenceServerClient(address) as client:
        got = [
            (result.get_response().id, result.as_numpy("word").item().decode())
            async for result, error in client.stream_infer(requests())
        ]

    assert sorted(got) == [(str(number), word) for number in range(3) for word in "ab"]


async def test_many_requests_at_once_each_get_their_own_answer(address):
    async with tritonclient.grpc.aio.InferenceServerClient(address) as client:
        results = await asyncio.gather(
            *(
                client.infer("echo", [tensor("x", np.full((2, number + 1), number))], request_id=str(number))
                for number in range(300)
            )
        )

    for number, result in enumerate(results):
        assert result.get_response().id == str(number)
        assert_same(np.full((2, number + 1), number), result.as_numpy("x"))
