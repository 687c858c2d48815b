"""A loaded model: bytes in, bytes out, and what a client learns when the model fails."""

import asyncio
import json
import re
import threading

import numpy as np
import pytest
from mlcore import MLModel, ModelSettings, Server
from mlcore.codecs import NumpyCodec, StringCodec
from mlcore.engine import Call
from mlcore.errors import (
    DeadlineExceededError,
    InferenceError,
    InternalError,
    MLCoreError,
    OutputNotFoundError,
    OverloadedError,
    UnsupportedMediaTypeError,
)
from mlcore.logs import request_context
from mlcore.types import InferenceResponse, Parameters, ResponseOutput


class Given(MLModel):
    """Answers with what `give` returns."""

    async def predict(self, payload):
        return type(self).give(payload)


def served(give, version=None):
    kind = type("Model", (Given,), {"give": staticmethod(give)})
    return Server(models=[ModelSettings(name="m", implementation=kind, parameters={"version": version})], transports=[])


def answer(outputs=None, **members):
    outputs = [NumpyCodec.encode_output("y", np.array([1.0]))] if outputs is None else outputs
    return InferenceResponse(model_name="other name", outputs=outputs, **members)


def failing(error):
    def give(payload):
        raise error

    return give


async def test_name_version_and_id_are_those_of_the_model_and_the_request(ask):
    async with served(lambda payload: answer(model_version="own", id="own"), version="v1") as server:
        response = await ask(server, "m", id="r-1")

    assert (response["model_name"], response["model_version"], response["id"]) == ("m", "v1", "r-1")


async def test_a_model_without_version_may_name_one_itself(ask):
    async with served(lambda payload: answer(model_version="own")) as server:
        assert (await ask(server, "m"))["model_version"] == "own"


async def test_a_request_without_id_gets_one(ask):
    async with served(lambda payload: answer()) as server:
        first, second = (await ask(server, "m"))["id"], (await ask(server, "m"))["id"]
        call = Call(
            "m", None, "application/json", b'{"inputs": [{"name": "x", "shape": [0], "datatype": "INT8", "data": []}]}'
        )
        call.request_id = "from the transport"
        third = json.loads((await server.dispatcher.infer(call)).buffers[0])["id"]

    assert re.fullmatch(r"[0-9a-f-]{36}", first)
    assert first != second
    assert third == "from the transport"


async def test_the_model_reads_the_headers_of_the_client(ask):
    seen = []

    async with served(lambda payload: seen.append(payload.parameters) or answer()) as server:
        await ask(server, "m", headers=[(b"x-user", b"ad\xe4"), (b"accept", b"*/*")], parameters={"size": 3})
        await ask(server, "m", headers=[(b"x-user", b"b")])
        await ask(server, "m")

    assert seen == [{"size": 3, "headers": {"x-user": "adä", "accept": "*/*"}}, {"headers": {"x-user": "b"}}, None]


async def test_the_model_answers_headers_and_may_keep_its_response():
    kept = answer(parameters=Parameters(headers={"x-cache": "hit"}, size=3))
    call = Call(
        "m", None, "application/json", b'{"inputs": [{"name": "x", "shape": [0], "datatype": "INT8", "data": []}]}'
    )

    async with served(lambda payload: kept) as server:
        answers = [await server.dispatcher.infer(call) for _ in range(2)]

    for one in answers:
        assert one.headers == {"x-cache": "hit"}
        assert json.loads(one.buffers[0])["parameters"] == {"size": 3}


async def test_only_the_outputs_that_were_asked_for_are_sent_in_that_order(ask):
    outputs = [StringCodec.encode_output(name, [name]) for name in "abc"]

    async with served(lambda payload: answer(outputs)) as server:
        response = await ask(server, "m", outputs=[{"name": "c"}, {"name": "a"}])
        everything = await ask(server, "m", outputs=[])

    assert [output["name"] for output in response["outputs"]] == ["c", "a"]
    assert len(everything["outputs"]) == 3


@pytest.mark.parametrize(("outputs", "has"), [(["a", "b"], "'a', 'b'"), ([], "none")])
async def test_an_output_that_the_model_does_not_have_is_an_error_that_names_those_it_has(ask, outputs, has):
    outputs = [StringCodec.encode_output(name, [name]) for name in outputs]

    async with served(lambda payload: answer(outputs)) as server:
        with pytest.raises(OutputNotFoundError) as raised:
            await ask(server, "m", outputs=[{"name": "z" * 100}])

    assert str(raised.value) == f"outputs: '{'z' * 64}' is not an output of this model; it has {has}"


async def test_a_response_of_a_subclass_is_a_response(ask):
    class Own(InferenceResponse):
        pass

    async with served(lambda payload: Own(model_name="m", outputs=[])) as server:
        assert (await ask(server, "m"))["outputs"] == []


@pytest.mark.parametrize(("returned", "kind"), [(None, "NoneType"), ({"outputs": []}, "dict"), ([1.0], "list")])
async def test_anything_else_than_a_response_is_the_models_error(ask, returned, kind):
    async with served(lambda payload: returned) as server:
        with pytest.raises(InternalError) as raised:
            await ask(server, "m")

    assert str(raised.value) == (
        f"the model 'm' returned a {kind} from predict; it has to return an InferenceResponse, or use decode_args"
    )


@pytest.mark.parametrize(
    "error",
    [ValueError("secret /srv/models"), SystemExit("secret"), KeyError("secret"), asyncio.CancelledError("secret")],
)
async def test_what_a_model_raises_stays_in_the_log_under_the_id_that_the_client_gets(ask, caplog, error):
    async with served(failing(error)) as server:
        with pytest.raises(InternalError) as raised:
            await ask(server, "m")
        assert server.control.is_ready

    match = re.fullmatch(
        r"the model 'm' failed on this request; the server's log has the details, error id ([0-9a-f]{12})",
        str(raised.value),
    )
    (record,) = [record for record in caplog.records if record.message == "the model failed"]
    assert record.error_id == match[1]
    assert record.exc_info[1] is error
    assert record.model == "m"


async def test_a_plain_predict_may_not_end_the_server_either(ask):
    class Leaving(MLModel):
        def predict(self, payload):
            raise SystemExit("leaving")

    async with Server(models=[ModelSettings(name="m", implementation=Leaving)], transports=[]) as server:
        for _ in range(2):
            with pytest.raises(InternalError):
                await ask(server, "m")


@pytest.mark.parametrize("error", [InferenceError("wrong age"), MLCoreError("out of tea", status_code=418)])
async def test_an_error_of_the_protocol_passes_as_it_is(ask, error):
    async with served(failing(error)) as server:
        with pytest.raises(type(error)) as raised:
            await ask(server, "m")

    assert raised.value is error


async def test_a_request_that_is_cancelled_stays_cancelled(ask):
    waiting = asyncio.Event()

    class Waiting(MLModel):
        async def predict(self, payload):
            waiting.set()
            await asyncio.sleep(60)

        async def predict_stream(self, payloads):
            waiting.set()
            await asyncio.sleep(60)
            yield

    async def stream(server):
        async for _ in server.dispatcher.stream(
            Call(
                "m",
                None,
                "application/json",
                b'{"inputs": [{"name": "x", "shape": [0], "datatype": "INT8", "data": []}]}',
            )
        ):
            pass

    async with Server(models=[ModelSettings(name="m", implementation=Waiting)], transports=[]) as server:
        for asked in (ask(server, "m"), stream(server)):
            waiting.clear()
            task = asyncio.create_task(asked)
            await waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_an_output_that_cannot_be_written_is_the_models_error(ask, caplog):
    output = ResponseOutput(name="y", shape=[1], datatype="FP32", data=[object()])

    async with served(lambda payload: answer([output])) as server:
        with pytest.raises(InternalError):
            await ask(server, "m")


async def test_a_response_that_breaks_the_writer_is_logged(ask, caplog):
    class Breaking(dict):
        def __bool__(self):
            raise ValueError("secret")

    response = answer()
    response.outputs[0].parameters = Breaking()

    async with served(lambda payload: response) as server:
        with pytest.raises(InternalError, match="error id"):
            await ask(server, "m")

    assert "secret" in caplog.text


async def test_a_media_type_that_nobody_reads_is_refused_with_those_that_are():
    async with served(lambda payload: answer()) as server:
        with pytest.raises(UnsupportedMediaTypeError) as raised:
            await server.dispatcher.infer(Call("m", None, "text/" + "x" * 100, b"{}"))

    assert str(raised.value) == (
        f"the media type 'text/{'x' * 59}' is not one of "
        "application/json, application/octet-stream, application/x-protobuf"
    )


async def test_log_lines_of_a_request_carry_model_version_and_id(ask):
    seen = []

    async with served(lambda payload: seen.append(request_context.get()) or answer(), version="v1") as server:
        await ask(server, "m", id="r-9")

    assert (seen[0].model, seen[0].version, seen[0].request_id) == ("m", "v1", "r-9")


async def test_plain_models_see_the_context_of_their_request(ask):
    seen = []

    class Seeing(MLModel):
        def predict(self, payload):
            seen.append(request_context.get().request_id)
            return answer()

    async with Server(models=[ModelSettings(name="m", implementation=Seeing)], transports=[]) as server:
        await asyncio.gather(*(ask(server, "m", id=f"r-{number}") for number in range(5)))

    assert sorted(seen) == [f"r-{number}" for number in range(5)]


@pytest.mark.parametrize("options", [{}, {"request_timeout": 0.1}])
async def test_a_request_that_was_too_late_counts_until_its_thread_is_done_with_it(ask, until, options):
    begun, released = threading.Event(), threading.Event()
    done = []

    class Slow(MLModel):
        def predict(self, payload):
            begun.set()
            released.wait(60)
            done.append(payload.id)
            return answer()

    slow = ModelSettings(name="m", implementation=Slow, max_queue_size=0, **options)
    parameters = {} if options else {"timeout": 50_000}
    async with Server(models=[slow], transports=[]) as server:
        model = server.control.lifecycle.registry.find("m", None)
        while not begun.is_set():  # a busy machine may not begin in time
            with pytest.raises((DeadlineExceededError, OverloadedError)):
                await ask(server, "m", id="late", parameters=parameters)
        assert model.under_way == 1
        with pytest.raises(OverloadedError):
            await ask(server, "m", id="refused")
        released.set()
        await until(lambda: model.under_way == 0)

    assert done == ["late"]


@pytest.mark.parametrize("padding", ["", " " * 100_000], ids=["seen by the front", "seen by the host"])
async def test_a_model_is_unloaded_after_a_request_that_was_too_late_has_left_its_thread(ask, padding):
    order = []
    released = threading.Event()

    class Slow(MLModel):
        def predict(self, payload):
            released.wait(60)
            order.append("predicted")
            return answer()

        def unload(self):
            order.append("unloaded")

    async with Server(models=[ModelSettings(name="m", implementation=Slow, threads=2)], transports=[]) as server:
        with pytest.raises(DeadlineExceededError):
            await ask(server, "m", parameters={"timeout": 50_000, "padding": padding})
        unload = asyncio.create_task(server.control.unload("m"))
        await asyncio.wait({unload}, timeout=0.1)
        released.set()
        await unload

    assert order == ["predicted", "unloaded"]
