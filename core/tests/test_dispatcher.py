"""The dispatcher: finds the model, counts, and opens no body."""

import asyncio

import pytest
from mlcore import MLModel, ModelSettings, Server
from mlcore.engine import Call
from mlcore.errors import InferenceError, ModelNotFoundError, UnavailableError
from mlcore.types import InferenceResponse

BODY = b'{"inputs": [{"name": "x", "shape": [0], "datatype": "INT8", "data": []}]}'


class Empty(MLModel):
    async def predict(self, payload):
        return InferenceResponse(model_name="m", outputs=[])


@pytest.fixture
def server():
    return Server(models=[ModelSettings(name="m", implementation=Empty)], transports=[])


async def everything(answers):
    return [answer async for answer in answers]


def calls(server, call):
    return [lambda: server.dispatcher.infer(call), lambda: everything(server.dispatcher.stream(call))]


async def test_an_unknown_model_is_not_found_whatever_the_body(server):
    async with server:
        for operation in calls(server, Call("nobody", "v1", "nonsense/type", b"\xff")):
            with pytest.raises(ModelNotFoundError, match="Model nobody with version v1 not found"):
                await operation()


async def test_a_wrong_body_is_the_clients_error_and_leaves_nothing_under_way(server):
    async with server:
        for operation in calls(server, Call("m", None, "application/json", b"{")):
            with pytest.raises(InferenceError):
                await operation()
        await asyncio.wait_for(server.control.unload("m"), 60)


async def test_a_stopped_server_takes_no_calls(server):
    await server.start()
    await server.stop()

    for operation in calls(server, Call("m", None, "application/json", BODY)):
        with pytest.raises(UnavailableError, match="the server is stopping") as raised:
            await operation()
        assert raised.value.retry_after_s == 1


async def test_a_stream_counts_until_it_is_closed(server, until):
    async with server:
        answers = server.dispatcher.stream(Call("m", None, "application/json", BODY))
        await anext(answers)
        unload = asyncio.create_task(server.control.unload("m"))
        await asyncio.sleep(0.02)
        assert not unload.done()
        await answers.aclose()
        await asyncio.wait_for(unload, 60)
