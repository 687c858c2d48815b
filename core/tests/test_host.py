"""The model host: what load, metadata and wrappers may do, and why a model does not become ready."""

import asyncio
import sys
import threading

import numpy as np
import pytest
from mlcore import MLModel, ModelSettings, Server, hookimpl
from mlcore.codecs import InputCodec, NumpyCodec
from mlcore.errors import AmbiguousNameError, InferenceError, ModelLoadError, PluginError
from mlcore.types import InferenceResponse, MetadataTensor, ModelMetadata


def served(kind, **options):
    return Server(models=[ModelSettings(name="m", implementation=kind)], transports=[], **options)


async def reason_of(kind, **options):
    async with served(kind, **options) as server:
        (item,) = server.control.index()
        assert item.state == "UNAVAILABLE"
        return item.reason


def loading(outcome, is_async=False):
    """Return a class of models whose load returns something, or raises it."""

    class Loading(MLModel):
        def load(self):
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

    class LoadingAsync(MLModel):
        async def load(self):
            return Loading.load(self)

    return LoadingAsync if is_async else Loading


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("outcome", [None, True, 0, "", "loaded"])
async def test_whatever_load_returns_but_false_is_ready(outcome, is_async):
    async with served(loading(outcome, is_async)) as server:
        assert server.control.is_ready


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (False, "load() returned False: the model says that it is not ready"),
        (ValueError("no weights"), "load() raised ValueError: no weights"),
        (SystemExit(3), "load() raised SystemExit: 3"),
        (
            FileNotFoundError(2, "No such file or directory", "/srv/x/w.bin"),
            "load() raised FileNotFoundError: [Errno 2] No such file or directory: 'w.bin'",
        ),
        (ModelLoadError("parameters.uri: missing"), "parameters.uri: missing"),
    ],
)
async def test_a_load_that_fails_says_why(outcome, is_async, reason):
    assert await reason_of(loading(outcome, is_async)) == reason


async def test_a_plain_load_may_hand_an_async_one_through():
    class HandsThrough(MLModel):
        def load(self):
            return loading(False, is_async=True).load(self)

    assert "load() returned False" in await reason_of(HandsThrough)


async def test_a_plain_load_and_unload_run_in_the_models_thread():
    threads = []

    class Noting(MLModel):
        def __init__(self, settings):
            super().__init__(settings)
            threads.append(threading.current_thread())

        def load(self):
            threads.append(threading.current_thread())

        def unload(self):
            threads.append(threading.current_thread())

    async with served(Noting):
        pass

    assert len(threads) == 3
    assert len(set(threads)) == 1
    assert threads[0].name.startswith("mlcore-m")


async def test_ready_is_true_from_load_to_unload():
    seen = []

    class Noting(MLModel):
        def load(self):
            seen.append((self, self.ready))

        def unload(self):
            seen.append((self, self.ready))

    async with served(Noting):
        assert seen[0][0].ready

    assert [ready for _, ready in seen] == [False, False]


# --- metadata ---


async def test_metadata_come_from_the_settings_and_from_load():
    class Declaring(MLModel):
        def load(self):
            self.outputs = [MetadataTensor(name="y", datatype="FP32", shape=[-1, 1])]

    settings = ModelSettings(
        name="m",
        implementation=Declaring,
        platform="custom",
        versions=["lib/1.0"],
        inputs=[{"name": "x", "datatype": "FP32", "shape": [-1, 3], "parameters": {"content_type": "np"}}],
    )

    async with Server(models=[settings], transports=[]) as server:
        metadata = server.control.model_metadata("m")

    assert metadata.model_dump() == {
        "name": "m",
        "versions": ["lib/1.0"],
        "platform": "custom",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3], "parameters": {"content_type": "np"}}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 1]}],
        "parameters": {},
    }


@pytest.mark.parametrize("is_async", [False, True])
async def test_metadata_may_be_plain_or_async(is_async):
    class Plain(MLModel):
        def metadata(self):
            return ModelMetadata(name="m", platform="own")

    class Async(MLModel):
        async def metadata(self):
            return Plain.metadata(self)

    async with served(Async if is_async else Plain) as server:
        assert server.control.model_metadata("m").platform == "own"


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ({"name": "m"}, "metadata() returned a dict, not a ModelMetadata"),
        (
            ModelMetadata(name="m", inputs=[{"name": "x"}]),
            "inputs[0]: expected a mlcore.types.MetadataTensor, got a dict",
        ),
        (
            ModelMetadata(name="m", outputs=[MetadataTensor(name="y"), None]),
            "outputs[1]: expected a mlcore.types.MetadataTensor, got a NoneType",
        ),
        (ValueError("no"), "metadata() raised ValueError: no"),
        (SystemExit("no"), "metadata() raised SystemExit: no"),
    ],
)
async def test_metadata_that_cannot_be_used_are_found_at_load(returned, reason):
    unloaded = []

    class Wrong(MLModel):
        def metadata(self):
            if isinstance(returned, BaseException):
                raise returned
            return returned

        def unload(self):
            unloaded.append(True)

    assert await reason_of(Wrong) == reason
    assert unloaded == [True]


async def test_an_error_of_unload_does_not_hide_why_the_load_failed():
    class Wrong(MLModel):
        def metadata(self):
            return None

        def unload(self):
            raise SystemExit("hidden")

    assert await reason_of(Wrong) == "metadata() returned a NoneType, not a ModelMetadata"


# --- wrappers of plugins ---


def plugin_with(**hooks):
    return type("Plugin", (), {name: hookimpl(hook) for name, hook in hooks.items()})


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (lambda self, model, settings: 1 / 0, "its hook mlcore_predict fails: ZeroDivisionError: division by zero"),
        (
            lambda self, model, settings: "text",
            "its hook mlcore_predict fails: TypeError: expected a function or None, got a str",
        ),
        (
            lambda self, model, settings: lambda predict: 1 / 0,
            "its wrapper of predict fails: ZeroDivisionError: division by zero",
        ),
        (lambda self, model, settings: lambda predict: sys.exit(1), "its wrapper of predict fails: SystemExit: 1"),
        (
            lambda self, model, settings: lambda predict: None,
            "its wrapper of predict returned a NoneType, not a function",
        ),
    ],
)
async def test_a_model_is_not_served_without_a_wrapper_that_may_guard_it(hook, reason):
    unloaded = []

    class Model(MLModel):
        def unload(self):
            unloaded.append(True)

    assert await reason_of(Model, plugins=[plugin_with(mlcore_predict=hook)]) == f"plugin python:Plugin-0: {reason}"
    assert unloaded == [True]


async def test_a_failing_mlcore_load_names_the_plugin():
    plugin = plugin_with(mlcore_load=lambda self, settings: 1 / 0)

    assert await reason_of("nothing.Like", plugins=[plugin]) == (
        "plugin python:Plugin-0: its hook mlcore_load fails: ZeroDivisionError: division by zero"
    )


async def test_a_plugin_says_why_there_can_be_no_such_model():
    def refuse(self, settings):
        raise ModelLoadError("implementation: there is no such thing; choose another")

    plugin = plugin_with(mlcore_load=refuse)

    assert await reason_of("nothing.Like", plugins=[plugin]) == (
        "implementation: there is no such thing; choose another"
    )


async def test_a_plugin_that_makes_something_else_than_a_model_is_named():
    plugin = plugin_with(mlcore_load=lambda self, settings: object())

    assert await reason_of("nothing.Like", plugins=[plugin]) == (
        "plugin python:Plugin-0: its hook mlcore_load fails: TypeError: expected a mlcore.MLModel or None, got a object"
    )


# --- codecs and wire formats ---


async def test_a_model_has_the_codecs_of_its_server():
    class Own(InputCodec):
        ContentType = "own"

    seen = []

    class Model(MLModel):
        def load(self):
            seen.append(self.codecs.input_codec("own"))

    async with served(Model, plugins=[plugin_with(mlcore_codecs=lambda self: {"own": [Own]})]):
        assert seen == [Own]


async def test_a_wire_format_of_a_plugin_reads_its_media_type(ask):
    from mlcore.engine import Call
    from mlcore_protocol import V2Format

    class Model(MLModel):
        async def predict(self, payload):
            return InferenceResponse(model_name="m", outputs=[])

    plugin = plugin_with(mlcore_wire_formats=lambda self: {"application/x-own": V2Format})
    body = b'{"inputs": [{"name": "x", "shape": [0], "datatype": "INT8", "data": []}]}'

    async with served(Model, plugins=[plugin]) as server:
        assert (await server.dispatcher.infer(Call("m", None, "application/x-own", body))).buffers


@pytest.mark.parametrize(
    ("offer", "error", "message"),
    [
        ("nowhere:Format", PluginError, "plugin wire format 'application/x' of python: cannot import nowhere:Format"),
        (lambda: 1 / 0, PluginError, "plugin wire format 'application/x' of python: it cannot be made: ZeroDivision"),
    ],
)
async def test_a_wire_format_that_cannot_be_made_stops_the_start(offer, error, message):
    server = served(MLModel, plugins=[plugin_with(mlcore_wire_formats=lambda self: {"application/x": offer})])

    with pytest.raises(error) as raised:
        await server.start()

    assert str(raised.value).startswith(message)


async def test_two_wire_formats_for_one_media_type_stop_the_start():
    plugin = plugin_with(mlcore_wire_formats=lambda self: {"application/json": lambda: None})

    with pytest.raises(
        AmbiguousNameError, match="the wire format 'application/json' is offered by mlcore-core and python"
    ):
        await served(MLModel, plugins=[plugin]).start()


async def test_a_load_that_is_cancelled_ends_its_threads(until):
    begun = threading.Event()
    let_go = threading.Event()

    class Slow(MLModel):
        def load(self):
            begun.set()
            let_go.wait(60)

    server = served(Slow)
    starting = asyncio.create_task(server.start())
    await until(begun.is_set)
    starting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await starting
    assert server.control.models() == []
    assert server.control.failures() == {("m", None): "its load was cancelled"}
    let_go.set()
    await until(lambda: not any(thread.name.startswith("mlcore-m") for thread in threading.enumerate()))


# --- loads with a limit, and warm-ups ---


async def test_a_load_that_takes_too_long_is_given_up_and_holds_nobody_up(caplog):
    released = threading.Event()

    class Hanging(MLModel):
        def load(self):
            released.wait(60)

    class Fine(MLModel):
        pass

    models = [
        ModelSettings(name="hanging", implementation=Hanging, load_timeout=0.2),
        ModelSettings(name="fine", implementation=Fine),
    ]
    async with Server(models=models, transports=[]) as server:
        states = {item.name: (item.state, item.reason) for item in server.control.index()}
    released.set()

    assert states["hanging"] == ("UNAVAILABLE", "its load took longer than 0.2 s, the setting load_timeout")
    assert states["fine"][0] == "READY"


@pytest.mark.parametrize("outcome", ["loads", "says no", "fails", "loads and cannot unload"])
async def test_a_model_whose_load_ends_after_it_was_given_up_is_let_go(until, caplog, outcome):
    released, unloaded = threading.Event(), threading.Event()

    class Slow(MLModel):
        def load(self):
            released.wait(60)
            if outcome == "fails":
                raise ValueError
            return outcome != "says no"

        def unload(self):
            unloaded.set()
            if "cannot" in outcome:
                raise ValueError

    models = [ModelSettings(name="slow", implementation=Slow, load_timeout=0.2)]
    async with Server(models=models, transports=[]):
        released.set()
        await until(lambda: not any(thread.name.startswith("mlcore-slow") for thread in threading.enumerate()))
        if outcome.startswith("loads"):
            await until(unloaded.is_set)
            await until(lambda: ("unload() failed" in caplog.text) is ("cannot" in outcome))

    assert unloaded.is_set() is outcome.startswith("loads")


async def test_what_a_load_raises_itself_is_told_even_if_it_is_a_timeout():
    class Late(MLModel):
        async def load(self):
            raise TimeoutError("the artefact did not come")

    async with Server(models=[ModelSettings(name="m", implementation=Late)], transports=[]) as server:
        (item,) = server.control.index()

    assert item.reason == "load() raised TimeoutError: the artefact did not come"


class Counted(MLModel):
    """Counts the rows that it has seen, and refuses negative ones."""

    seen = 0
    unloaded = 0

    async def predict(self, payload):
        if payload.inputs[0].data.values.min() < 0:
            raise InferenceError("it is negative")
        type(self).seen += payload.inputs[0].shape[0]
        return InferenceResponse(model_name="m", outputs=[NumpyCodec.encode_output("y", np.ones(1))])

    async def unload(self):
        type(self).unloaded += 1


def warming(*values):
    tensors = [{"name": "x", "datatype": "FP32", "shape": [1], "data": [value]} for value in values]
    return {"name": "m", "implementation": Counted, "warmup": [{"inputs": [tensor]} for tensor in tensors]}


async def test_warm_up_requests_run_before_a_model_is_ready(caplog):
    caplog.set_level("INFO", "mlcore.host")
    Counted.seen = 0
    async with Server(models=[ModelSettings(**warming(1.0, 2.0))], transports=[]) as server:
        assert (Counted.seen, server.control.model_is_ready("m")) == (2, True)

    assert "model warmed up" in caplog.text


@pytest.mark.parametrize(
    ("warmup", "reason"),
    [
        (warming(1.0, -1.0)["warmup"], "warmup[1]: it is negative"),
        ([{"inputs": []}], "warmup[0]: inputs: expected 1 to"),
    ],
)
async def test_a_warm_up_that_fails_is_a_load_that_fails(warmup, reason):
    Counted.unloaded = 0
    settings = ModelSettings(**{**warming(), "warmup": warmup})
    async with Server(models=[settings], transports=[]) as server:
        (item,) = server.control.index()

    assert (item.state, Counted.unloaded) == ("UNAVAILABLE", 1)
    assert item.reason.startswith(reason)
