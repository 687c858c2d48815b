"""tritonclient's HTTP clients, unchanged, against a real server process."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import tritonclient.http
import tritonclient.http.aio
from mlcore.testing import start_server
from tritonclient.utils import InferenceServerException

NUMBERS = {
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
}
TEXT = np.array([["", "a"], ["h\u00e9llo \U0001f600", 'quote " and \n line']], np.object_)
BYTES = np.array([[b"", b"a"], [b"\x00\xff\xfe", b"\x00" * 1000]], np.object_)
INFINITE = np.array([[np.inf, -np.inf, np.nan]], np.float32)
EMPTY = np.zeros((0, 3), np.float32)
LARGE = np.arange(240_000, dtype=np.float32).reshape(-1, 3)

# tritonclient has no JSON for BF16, and what is not text has none at all.
JSON = {**{name: array for name, array in NUMBERS.items() if name != "BF16"}, "BYTES": TEXT}
BINARY = {
    **NUMBERS,
    "BYTES": BYTES,
    "BYTES of text": TEXT,
    "FP32 beyond numbers": INFINITE,
    "FP32 of no rows": EMPTY,
    "FP32, large": LARGE,
}


@pytest.fixture(scope="module")
def server():
    running = start_server(Path(__file__).parent / "models")
    yield running
    running.stop()


@pytest.fixture(params=[tritonclient.http, tritonclient.http.aio], ids=["sync", "aio"])
def client(request, server):
    """Return one of the clients, its calls plain ones in both cases."""
    with asyncio.Runner() as runner:
        plain = Plain(request.param, server.url.removeprefix("http://"), runner)
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


def tensor(name, array, binary=True):
    """Return an input of the client."""
    made = tritonclient.http.InferInput(name, list(array.shape), tritonclient.utils.np_to_triton_dtype(array.dtype))
    return made.set_data_from_numpy(array, binary_data=binary)


def wanted(name, binary=True):
    return tritonclient.http.InferRequestedOutput(name, binary_data=binary)


def as_bytes(array):
    """Return BYTES as bytes: what comes as text in JSON and as bytes in binary."""
    return [value.encode() if isinstance(value, str) else value for value in array.reshape(-1).tolist()]


def assert_same(sent, got):
    assert got.shape == sent.shape
    if sent.dtype == np.object_:
        assert as_bytes(got) == as_bytes(sent)
    else:
        assert got.dtype == sent.dtype
        np.testing.assert_array_equal(got, sent)


def test_health_and_metadata(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("echo")
    assert client.is_model_ready("echo", "3")
    assert not client.is_model_ready("echo", "4")
    assert not client.is_model_ready("nope")
    assert client.get_server_metadata()["name"] == "mlcore"
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("failing") == {
        "name": "failing",
        "versions": [],
        "platform": "",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
        "outputs": [{"name": "y", "datatype": "BYTES", "shape": [1]}],
        "parameters": {},
    }


@pytest.mark.parametrize("name", BINARY)
def test_every_datatype_comes_back_in_binary(client, name):
    result = client.infer("echo", [tensor("x", BINARY[name])], outputs=[wanted("x")])

    assert "binary_data_size" in result.get_output("x")["parameters"]
    assert_same(BINARY[name], result.as_numpy("x"))


@pytest.mark.parametrize("name", JSON)
def test_every_datatype_comes_back_in_json(client, name):
    result = client.infer("echo", [tensor("x", JSON[name], binary=False)], outputs=[wanted("x", binary=False)])

    assert "data" in result.get_output("x")
    assert_same(JSON[name], result.as_numpy("x"))


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("is_binary", [True, False])
def test_every_datatype_may_come_in_the_other_form(client, name, is_binary):
    inputs, outputs = [tensor("x", JSON[name], is_binary)], [wanted("x", not is_binary)]

    assert_same(JSON[name], client.infer("echo", inputs, outputs=outputs).as_numpy("x"))


def test_without_requested_outputs_all_come_in_binary(client):
    result = client.infer("echo", [tensor("x", NUMBERS["FP32"]), tensor("y", NUMBERS["INT8"])])

    assert [output["name"] for output in result.get_response()["outputs"]] == ["x", "y"]
    assert all("binary_data_size" in output["parameters"] for output in result.get_response()["outputs"])
    assert_same(NUMBERS["INT8"], result.as_numpy("y"))


def test_only_the_requested_outputs_come_in_their_order_each_in_its_form(client):
    inputs = [tensor("a", NUMBERS["FP64"]), tensor("b", TEXT, binary=False), tensor("c", NUMBERS["BOOL"])]
    result = client.infer("echo", inputs, outputs=[wanted("c"), wanted("b", binary=False)])

    assert [output["name"] for output in result.get_response()["outputs"]] == ["c", "b"]
    assert_same(NUMBERS["BOOL"], result.as_numpy("c"))
    assert_same(TEXT, result.as_numpy("b"))
    assert result.as_numpy("a") is None


def test_id_version_and_parameters_reach_the_model_and_come_back(client):
    result = client.infer(
        "echo",
        [tensor("x", NUMBERS["FP32"])],
        model_version="3",
        request_id="my-id",
        sequence_id=5,
        sequence_start=True,
        priority=2,
        timeout=1_000_000,
        parameters={"text": "a", "number": 1.5, "flag": True},
    )
    response = result.get_response()

    assert (response["model_name"], response["model_version"], response["id"]) == ("echo", "3", "my-id")
    assert response["parameters"].items() >= {"text": "a", "number": 1.5, "flag": True, "sequence_id": 5}.items()


@pytest.mark.parametrize("response", [None, "gzip", "deflate"])
@pytest.mark.parametrize("request_", [None, "gzip", "deflate"])
@pytest.mark.parametrize(
    "array", [NUMBERS["FP32"], np.zeros((300, 300), np.int64), LARGE], ids=["few", "many", "large"]
)
@pytest.mark.parametrize("is_binary", [True, False])
def test_requests_and_answers_may_be_compressed(client, array, request_, response, is_binary):
    if array is LARGE and not is_binary:
        array = LARGE[:1000]
    result = client.infer(
        "echo",
        [tensor("x", array, is_binary)],
        outputs=[wanted("x", is_binary)],
        request_compression_algorithm=request_,
        response_compression_algorithm=response,
    )

    assert_same(array, result.as_numpy("x"))


@pytest.mark.parametrize(
    ("model", "inputs", "message", "status"),
    [
        ("nope", [tensor("x", NUMBERS["FP32"])], "Model nope not found", "404"),
        ("failing", [tensor("x", np.array([1], np.float32))], "x: expected a number that is not positive", "400"),
        ("failing", [tensor("x", np.array([-1], np.float32))], "error id", "500"),
        ("echo", [tensor("x", NUMBERS["FP32"]), tensor("x", NUMBERS["FP32"])], "same name", "400"),
    ],
)
def test_errors_are_raised_with_their_message_and_status(client, model, inputs, message, status):
    with pytest.raises(InferenceServerException) as error:
        client.infer(model, inputs)

    assert message in error.value.message()
    assert status in error.value.status()


def test_an_output_that_is_not_there_is_an_error(client):
    with pytest.raises(InferenceServerException, match="'nope' is not an output of this model"):
        client.infer("echo", [tensor("x", NUMBERS["FP32"])], outputs=[wanted("nope")])


def test_what_is_not_served_is_an_error_with_a_message(client):
    for ask in (client.get_inference_statistics, client.get_log_settings, client.get_system_shared_memory_status):
        with pytest.raises(InferenceServerException, match=r"there is no path|not found"):
            ask()


def test_models_are_unloaded_and_loaded(client):
    def states():
        return {item["name"]: item["state"] for item in client.get_model_repository_index()}

    assert states() == {"echo": "READY", "failing": "READY", "words": "READY"}
    client.unload_model("echo")
    assert states() == {"echo": "UNAVAILABLE", "failing": "READY", "words": "READY"}
    assert not client.is_model_ready("echo")
    with pytest.raises(InferenceServerException, match="Model echo not found"):
        client.infer("echo", [tensor("x", NUMBERS["FP32"])])
    client.load_model("echo")
    assert states() == {"echo": "READY", "failing": "READY", "words": "READY"}
    assert_same(NUMBERS["FP32"], client.infer("echo", [tensor("x", NUMBERS["FP32"])]).as_numpy("x"))


def test_loading_what_is_not_there_or_comes_along_is_an_error(client):
    with pytest.raises(InferenceServerException, match="Model nope not found"):
        client.load_model("nope")
    with pytest.raises(InferenceServerException, match=r"parameters\.config"):
        client.load_model("echo", config="{}")


def test_many_requests_at_once_each_get_their_own_answer(server):
    with tritonclient.http.InferenceServerClient(server.url.removeprefix("http://"), concurrency=16) as client:
        asked = [
            client.async_infer("echo", [tensor("x", np.full((2, number + 1), number))], request_id=str(number))
            for number in range(100)
        ]
        for number, handle in enumerate(asked):
            result = handle.get_result(timeout=60)
            assert result.get_response()["id"] == str(number)
            assert_same(np.full((2, number + 1), number), result.as_numpy("x"))


async def test_many_requests_of_the_aio_client_at_once_each_get_their_own_answer(server):
    async with tritonclient.http.aio.InferenceServerClient(server.url.removeprefix("http://")) as client:
        results = await asyncio.gather(
            *(
                client.infer("echo", [tensor("x", np.full((2, number + 1), number))], request_id=str(number))
                for number in range(100)
            )
        )

    for number, result in enumerate(results):
        assert result.get_response()["id"] == str(number)
        assert_same(np.full((2, number + 1), number), result.as_numpy("x"))


def test_bodies_may_be_made_and_read_without_a_connection(server):
    module = tritonclient.http.InferenceServerClient
    body, head_length = module.generate_request_body([tensor("x", NUMBERS["FP32"])], outputs=[wanted("x")])
    headers = {"Inference-Header-Content-Length": str(head_length), "Content-Type": "application/octet-stream"}
    answer = server.post("/v2/models/echo/infer", body, headers)
    result = module.parse_response_body(
        answer.body, header_length=int(answer.headers["Inference-Header-Content-Length"])
    )

    assert_same(NUMBERS["FP32"], result.as_numpy("x"))
