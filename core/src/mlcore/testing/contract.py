"""The contract of a runtime, as tests: a runtime is one when it passes them.

Subclass `RuntimeContract` in your own tests, say what your runtime is and what a good and a bad request look like, and
run pytest. What a runtime cannot do by its nature is declared in `absent`, with the reason, never skipped in silence.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from mlcore.errors import InferenceError
from mlcore.loading import make_model, make_plan
from mlcore.plugins import Plugins
from mlcore.server import Server
from mlcore.testing.comparison import assert_close, assert_same, fits, row_of
from mlcore.testing.wire import call_of, response_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from mlcore_protocol import InferenceRequest, InferenceResponse

    from mlcore.settings import ModelSettings


def _in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a loop of its own, so that no pytest plugin is needed for it."""

    @wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        asyncio.run(test(*arguments, **fixtures))

    return run


class RuntimeContract:
    """What every runtime does. Override the attributes, and the fixtures that raise.

    Attributes:
        runtime: The name under which a plugin offers the runtime.
        entry_module: The module with the plugin's hooks.
        heavy_modules: What must not be imported with the entry module, besides what is heavy for everybody.
        absent: Test name to the reason why this runtime cannot pass it; the test then has to fail.
    """

    runtime: ClassVar[str]
    entry_module: ClassVar[str]
    heavy_modules: ClassVar[tuple[str, ...]] = ()
    absent: ClassVar[dict[str, str]] = {}

    @pytest.fixture
    def settings(self) -> ModelSettings:
        """Return the settings of a small model of this runtime."""
        raise NotImplementedError("give the settings of a small model")

    @pytest.fixture
    def good_request(self) -> InferenceRequest:
        """Return a request of at least two rows that the model answers."""
        raise NotImplementedError("give a request that the model answers")

    @pytest.fixture
    def bad_requests(self) -> list[InferenceRequest]:
        """Return requests that are valid in the protocol and wrong for this model."""
        raise NotImplementedError("give requests that the model refuses")

    @pytest.fixture(autouse=True)
    def _declared_absence(self, request: pytest.FixtureRequest) -> None:
        reason = self.absent.get(request.node.originalname)
        if reason is not None:
            request.node.add_marker(pytest.mark.xfail(reason=reason, strict=True))

    def test_the_entry_module_imports_nothing_heavy(self) -> None:
        program = f"import {self.entry_module}, sys; print(*sys.modules, sep='\\n')"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
        heavy = {"spacy", "sklearn", "pandas", "torch", "litestar", "uvicorn", *self.heavy_modules}

        assert heavy.isdisjoint(done.stdout.split())

    def test_the_name_is_offered(self) -> None:
        assert Plugins().runtimes.get(self.runtime).name == self.runtime

    def test_predict_before_load_raises(self, settings: ModelSettings, good_request: InferenceRequest) -> None:
        plugins = Plugins()
        model = make_model(make_plan(settings, plugins, None), plugins)

        with pytest.raises(Exception):  # noqa: B017, PT011  # which one is the runtime's own choice
            _now(model.predict(good_request))

    @_in_loop
    async def test_it_loads_and_unloads_twice(self, settings: ModelSettings, good_request: InferenceRequest) -> None:
        async with Server(models=[settings], transports=[]) as server:
            first = await _ask(server, settings, good_request)
            await server.control.unload(settings.name)
            await server.control.load(settings.name)
            second = await _ask(server, settings, good_request)

        assert_same(first, second)

    @_in_loop
    async def test_the_declared_outputs_are_the_actual_ones(
        self, settings: ModelSettings, good_request: InferenceRequest
    ) -> None:
        async with Server(models=[settings], transports=[]) as server:
            metadata = server.control.model_metadata(settings.name)
            response = await _ask(server, settings, good_request)

        declared = {tensor.name: tensor for tensor in metadata.outputs}
        for output in response.outputs:
            assert output.name in declared
            assert output.datatype == declared[output.name].datatype
            assert fits(output.shape, declared[output.name].shape)

    @_in_loop
    async def test_the_declared_inputs_take_the_request(
        self, settings: ModelSettings, good_request: InferenceRequest
    ) -> None:
        async with Server(models=[settings], transports=[]) as server:
            metadata = server.control.model_metadata(settings.name)

        declared = {tensor.name: tensor for tensor in metadata.inputs}
        for tensor in good_request.inputs:
            assert tensor.name in declared
            assert tensor.datatype == declared[tensor.name].datatype

    @_in_loop
    async def test_json_and_binary_answers_are_equal(
        self, settings: ModelSettings, good_request: InferenceRequest
    ) -> None:
        async with Server(models=[settings], transports=[]) as server:
            in_json = await _ask(server, settings, good_request)
            in_binary = await _ask(server, settings, good_request, binary=True)

        assert_same(in_json, in_binary)

    @_in_loop
    async def test_a_batch_equals_its_rows_alone(self, settings: ModelSettings, good_request: InferenceRequest) -> None:
        rows = good_request.inputs[0].shape[0]
        assert rows >= 2, "good_request needs at least two rows"
        async with Server(models=[settings], transports=[]) as server:
            batch = await _ask(server, settings, good_request)
            alone = [await _ask(server, settings, row_of(good_request, row)) for row in range(rows)]

        for index, output in enumerate(batch.outputs):
            joined = [element for response in alone for element in response.outputs[index].data.tolist()]
            assert_close(output.data.tolist(), joined)

    @_in_loop
    async def test_bad_requests_are_refused(
        self, settings: ModelSettings, bad_requests: list[InferenceRequest], good_request: InferenceRequest
    ) -> None:
        async with Server(models=[settings], transports=[]) as server:
            for bad in bad_requests:
                with pytest.raises(InferenceError) as refused:
                    await _ask(server, settings, bad)
                assert str(refused.value)
            await _ask(server, settings, good_request)

    @_in_loop
    async def test_concurrent_requests_get_their_own_answers(
        self, settings: ModelSettings, good_request: InferenceRequest
    ) -> None:
        requests = [good_request, row_of(good_request, 0), row_of(good_request, 1)] * 4
        async with Server(models=[settings], transports=[]) as server:
            one_by_one = [await _ask(server, settings, request) for request in requests]
            at_once = await asyncio.gather(*(_ask(server, settings, request) for request in requests))

        for expected, answer in zip(one_by_one, at_once, strict=True):
            assert_same(expected, answer)

    @_in_loop
    async def test_inputs_are_not_changed(self, settings: ModelSettings, good_request: InferenceRequest) -> None:
        call = call_of(good_request, settings.name, binary=True)
        before = bytes(call.body)
        async with Server(models=[settings], transports=[]) as server:
            await server.dispatcher.infer(call)

        assert bytes(call.body) == before

    @_in_loop
    async def test_it_works_behind_every_engine(self, settings: ModelSettings, good_request: InferenceRequest) -> None:
        answers = []
        for offer in Plugins().engines:
            async with Server(models=[settings], transports=[], engine=offer.name) as server:
                answers.append(await _ask(server, settings, good_request))

        for answer in answers[1:]:
            assert_same(answers[0], answer)

    @_in_loop
    async def test_nothing_is_printed(
        self, settings: ModelSettings, good_request: InferenceRequest, capfd: pytest.CaptureFixture[str]
    ) -> None:
        async with Server(models=[settings], transports=[]) as server:
            await _ask(server, settings, good_request)

        assert capfd.readouterr().out == ""


async def _ask(
    server: Server, settings: ModelSettings, request: InferenceRequest, binary: bool = False
) -> InferenceResponse:
    version = settings.parameters.version
    return response_of(await server.dispatcher.infer(call_of(request, settings.name, version, binary)))


def _now(result: object) -> object:
    return asyncio.run(result) if asyncio.iscoroutine(result) else result
