"""Predict and predict_stream, in every form that users write them."""

import asyncio
import functools
import json
import threading
from contextlib import aclosing

import pytest
from mlcore import MLModel, ModelSettings, Server, hookimpl
from mlcore.codecs import StringCodec
from mlcore.engine import Call
from mlcore.errors import InferenceError, InternalError
from mlcore.types import InferenceResponse

BODY = b'{"id": "r-1", "inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["a b c"]}]}'


def answer(text):
    return InferenceResponse(model_name="m", outputs=[StringCodec.encode_output("said", [str(text)])])


def words(payload):
    return StringCodec.decode_input(payload.inputs[0])[0].split()


def served(kind, **options):
    return Server(
        models=[ModelSettings(name="m", implementation=kind, **options.pop("settings", {}))], transports=[], **options
    )


async def streamed(server, seen=None):
    seen = [] if seen is None else seen
    async with aclosing(server.dispatcher.stream(Call("m", None, "application/json", BODY))) as answers:
        async for one in answers:
            seen.append(json.loads(b"".join(one.buffers)))
    return seen


async def said(server, body=BODY):
    one = await server.dispatcher.infer(Call("m", None, "application/json", body))
    return json.loads(b"".join(one.buffers))["outputs"][0]["data"][0]


# --- predict ---


class Async(MLModel):
    async def predict(self, payload):
        return answer(threading.current_thread() is threading.main_thread())


class Plain(MLModel):
    def predict(self, payload):
        return answer(threading.current_thread() is threading.main_thread())


class HandsThrough(MLModel):
    """A plain function that returns what an async one gives."""

    def predict(self, payload):
        return Async.predict(self, payload)


def as_it_is(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)

    return wrapper


class Decorated(MLModel):
    @as_it_is
    async def predict(self, payload):
        return answer("decorated")


class Callable_(MLModel):
    class _Predict:
        async def __call__(self, payload):
            return answer("called")

    predict = _Predict()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Async, "True"), (Plain, "False"), (HandsThrough, "True"), (Decorated, "decorated"), (Callable_, "called")],
)
async def test_a_plain_predict_runs_in_a_thread_and_an_async_one_on_the_loop(kind, expected):
    async with served(kind) as server:
        assert await said(server) == expected


async def test_a_blocking_predict_does_not_block_the_loop():
    let_go = threading.Event()

    class Blocking(MLModel):
        def predict(self, payload):
            let_go.wait(60)
            return answer("done")

    async with served(Blocking) as server:
        asked = asyncio.create_task(said(server))
        await asyncio.sleep(0.05)
        assert not asked.done()
        let_go.set()
        assert await asked == "done"


@pytest.mark.parametrize(
    ("of_server", "of_model", "expected"), [(None, None, 1), (3, None, 3), (None, 2, 2), (3, 1, 1)]
)
async def test_a_model_has_as_many_threads_as_its_settings_say_else_those_of_the_server(of_server, of_model, expected):
    lock, now, most = threading.Lock(), 0, 0
    all_at_work = threading.Barrier(expected)

    class Counting(MLModel):
        def predict(self, payload):
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            all_at_work.wait(60)
            with lock:
                now -= 1
            return answer("")

    options = {} if of_server is None else {"threads": of_server}
    async with served(Counting, settings={"threads": of_model}, **options) as server:
        await asyncio.gather(*(said(server) for _ in range(3 * expected)))

    assert most == expected


async def test_a_model_without_predict_says_so():
    async with served(MLModel) as server:
        with pytest.raises(InternalError, match="the model 'm' has no predict method"):
            await said(server)


# --- wrappers ---


def wrapping(name, order=None):
    """Return a plugin whose wrapper notes when it is entered and left."""

    def wrap(predict):
        async def wrapped(request):
            (order if order is not None else []).append(f"{name} in")
            response = await predict(request)
            (order if order is not None else []).append(f"{name} out")
            return response

        return wrapped

    class Plugin:
        @hookimpl
        def mlcore_predict(self, model, settings):
            return wrap

    return Plugin


@pytest.mark.parametrize("kind", [Async, Plain])
async def test_the_wrapper_of_the_plugin_that_was_loaded_first_is_the_outermost(kind):
    order = []

    async with served(kind, plugins=[wrapping("first", order), wrapping("second", order)]) as server:
        await said(server)

    assert order == ["first in", "second in", "second out", "first out"]


async def test_a_plugin_may_ask_to_be_first_or_last():
    order = []

    def with_options(name, **options):
        plugin = wrapping(name, order)
        plugin.mlcore_predict = hookimpl(plugin.mlcore_predict, **options)
        return plugin

    plugins = [with_options("c", trylast=True), wrapping("b", order), with_options("a", tryfirst=True)]

    async with served(Async, plugins=plugins) as server:
        await said(server)

    assert order[:3] == ["a in", "b in", "c in"]


async def test_a_wrapper_may_refuse_replace_and_leave_a_model_alone():
    class Guard:
        @hookimpl
        def mlcore_predict(self, model, settings):
            if settings.name != "m":
                return None

            def wrap(predict):
                async def guarded(request):
                    if words(request) == ["no"]:
                        raise InferenceError("refused")
                    return answer("replaced")

                return guarded

            return wrap

    models = [ModelSettings(name=name, implementation=Async) for name in ("m", "other")]

    async with Server(models=models, plugins=[Guard], transports=[]) as server:
        assert await said(server) == "replaced"
        with pytest.raises(InferenceError, match="refused"):
            await said(server, BODY.replace(b"a b c", b"no"))
        other = await server.dispatcher.infer(Call("other", None, "application/json", BODY))
        assert b"True" in other.buffers[0]


async def test_the_default_stream_is_guarded_like_predict_and_runs_in_its_thread():
    order = []

    async with served(Plain, plugins=[wrapping("guard", order)]) as server:
        (one,) = await streamed(server)

    assert one["outputs"][0]["data"] == ["False"]
    assert order == ["guard in", "guard out"]


# --- predict_stream ---


class AsyncGenerator(MLModel):
    async def predict_stream(self, payloads):
        async for payload in payloads:
            for word in words(payload):
                yield answer(word)


class AsyncGeneratorOfAList(MLModel):
    async def predict_stream(self, payloads):
        payload = [payload async for payload in payloads][0]  # noqa: RUF015  # as users write it
        for word in words(payload):
            yield answer(word)


class PlainGenerator(MLModel):
    def predict_stream(self, payloads):
        for payload in payloads:
            for word in words(payload):
                assert threading.current_thread() is not threading.main_thread()
                yield answer(word)


class ReturnsAList(MLModel):
    def predict_stream(self, payloads):
        return [answer(word) for word in words(next(payloads))]


class AsyncReturnsAList(MLModel):
    async def predict_stream(self, payloads):
        return [answer(word) for word in words(await anext(payloads))]


class ReturnsAnAsyncGenerator(MLModel):
    def predict_stream(self, payloads):
        return AsyncGenerator.predict_stream(self, payloads)


class AsyncReturnsAnAsyncIterator(MLModel):
    class _Words:
        def __init__(self, texts):
            self.texts = texts

        def __aiter__(self):
            return self

        async def __anext__(self):
            if not self.texts:
                raise StopAsyncIteration
            return answer(self.texts.pop(0))

    async def predict_stream(self, payloads):
        return self._Words(words(await anext(payloads)))


FORMS = [
    AsyncGenerator,
    AsyncGeneratorOfAList,
    PlainGenerator,
    ReturnsAList,
    AsyncReturnsAList,
    ReturnsAnAsyncGenerator,
    AsyncReturnsAnAsyncIterator,
]


@pytest.mark.parametrize("kind", FORMS)
async def test_every_form_of_predict_stream_is_streamed(kind):
    async with served(kind) as server:
        answers = await streamed(server)

    assert [one["outputs"][0]["data"] for one in answers] == [["a"], ["b"], ["c"]]
    assert {one["id"] for one in answers} == {"r-1"}


@pytest.mark.parametrize("kind", [PlainGenerator, AsyncGenerator])
async def test_there_is_exactly_one_payload(kind):
    async with served(kind) as server:
        assert len(await streamed(server)) == 3


@pytest.mark.parametrize("kind", [Async, Plain, HandsThrough])
async def test_without_a_predict_stream_the_answer_of_predict_is_streamed(kind):
    async with served(kind) as server:
        assert len(await streamed(server)) == 1


async def test_the_default_stream_can_be_called_by_the_model_itself():
    class Both(MLModel):
        def predict(self, payload):
            return answer(words(payload)[0])

        async def predict_stream(self, payloads):
            async for one in super().predict_stream(payloads):
                yield one
                yield one

    class BothAsync(Both):
        async def predict(self, payload):
            return Both.predict(self, payload)

    for kind in (Both, BothAsync):
        async with served(kind) as server:
            assert len(await streamed(server)) == 2


@pytest.mark.parametrize(("returned", "kind"), [(None, "NoneType"), (answer("one"), "InferenceResponse")])
async def test_a_predict_stream_that_yields_nothing_is_told_what_to_do(returned, kind):
    class Wrong(MLModel):
        def predict_stream(self, payloads):
            return returned

    async with served(Wrong) as server:
        with pytest.raises(InternalError, match=f"predict_stream returned a {kind}; it has to yield responses"):
            await streamed(server)


async def test_a_stream_that_yields_something_else_is_told_so():
    class Wrong(MLModel):
        async def predict_stream(self, payloads):
            yield "text"

    async with served(Wrong) as server:
        with pytest.raises(InternalError, match="returned a str from predict_stream; it has to return"):
            await streamed(server)


@pytest.mark.parametrize("is_plain", [False, True])
async def test_answers_before_a_failure_are_sent(is_plain, caplog):
    class FailsLate(MLModel):
        async def predict_stream(self, payloads):
            yield answer("first")
            raise ValueError("secret")

    class FailsLatePlain(MLModel):
        def predict_stream(self, payloads):
            yield answer("first")
            raise ValueError("secret")

    seen = []
    async with served(FailsLatePlain if is_plain else FailsLate) as server:
        with pytest.raises(InternalError, match="failed on this request; the server's log has the details") as raised:
            await streamed(server, seen)

    assert len(seen) == 1
    assert "secret" not in str(raised.value)
    assert "secret" in caplog.text


@pytest.mark.parametrize("kind", ["async generator", "plain generator", "handed through"])
async def test_a_stream_that_its_client_leaves_is_closed(kind, until):
    closed = []

    class AsyncEndless(MLModel):
        async def predict_stream(self, payloads):
            try:
                while True:
                    yield answer("more")
            finally:
                closed.append(True)

    class PlainEndless(MLModel):
        def predict_stream(self, payloads):
            try:
                while True:
                    yield answer("more")
            finally:
                closed.append(True)

    class HandedThrough(MLModel):
        def predict_stream(self, payloads):
            return AsyncEndless.predict_stream(self, payloads)

    chosen = {"async generator": AsyncEndless, "plain generator": PlainEndless, "handed through": HandedThrough}[kind]
    async with served(chosen) as server:
        async with aclosing(server.dispatcher.stream(Call("m", None, "application/json", BODY))) as answers:
            await anext(answers)
            assert not closed
        await until(lambda: closed)
        await asyncio.wait_for(server.control.unload("m"), 60)


async def test_an_end_of_iteration_in_a_plain_predict_is_an_error_like_any_other():
    class Ended(MLModel):
        def predict(self, payload):
            next(iter([]))

    async with served(Ended) as server:
        with pytest.raises(InternalError, match="error id"):
            await asyncio.wait_for(said(server), 60)
