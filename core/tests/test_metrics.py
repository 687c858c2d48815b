"""Metrics of a model's own: in load and predict, in threads and batches, in both engines."""

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from many import eventually
from mlcore import Server, metrics
from mlcore.errors import FailedPreconditionError, SettingsError
from mlcore.telemetry.forwarding import ForwardedMeterProvider
from mlcore.telemetry.owner import ModelOwner, model_owner
from mlcore.telemetry.tallies import Counter, Gauge, Tallies
from opentelemetry import metrics as opentelemetry
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

MODEL = """
import threading
from contextvars import copy_context

from mlcore import MLModel, metrics
from mlcore.types import InferenceResponse

loads = metrics.counter("own.loads", "Loads.")
asked = metrics.counter("own.asked", "Questions.", unit="{question}")
size = metrics.gauge("own.size", "Size.", unit="By")
open_files = metrics.up_down_counter("own.open_files")
rows = metrics.histogram("own.rows", buckets=[1, 2, 4])


class MyModel(MLModel):
    def load(self):
        loads.add()
        size.set(7)

    def predict(self, payload):
        asked.add(kind="plain")
        open_files.add(3)
        open_files.add(-1)
        rows.record(len(payload.inputs[0].data.values))
        thread = threading.Thread(target=copy_context().run, args=(asked.add,), kwargs={"kind": "thread"})
        thread.start()
        thread.join()
        return InferenceResponse(model_name=self.name, outputs=[])

    def unload(self):
        loads.add(when="unload")
"""

API = """
from mlcore import MLModel
from mlcore.types import InferenceResponse
from opentelemetry import metrics

meter = metrics.get_meter("library", "1.2")
counter = meter.create_counter("library.calls", unit="{call}", description="Calls.")
spread = meter.create_histogram("library.sizes", explicit_bucket_boundaries_advisory=[1, 10])
level = meter.create_gauge("library.level")
meter.create_observable_gauge("library.seen", [lambda _: [metrics.Observation(4, {"a": [1, 2]})]])
total = [0]
meter.create_observable_counter("library.total", [lambda _: [metrics.Observation(total[0])]])
broken = meter.create_observable_gauge("library.broken", [lambda _: 1 / 0])


class MyModel(MLModel):
    def predict(self, payload):
        counter.add(2, {"of": "this"})
        counter.add(-2)
        spread.record(5)
        spread.record(50)
        level.set(3)
        total[0] += 10
        return InferenceResponse(model_name=self.name, outputs=[])
"""


def values(tallies: Tallies) -> dict[str, Any]:
    """Return name and labels of each series of a model's own, with its value; of a histogram, its counts."""
    found: dict[str, Any] = {}
    for instrument, series in tallies.series():
        for labels, tally in series if instrument.name.startswith("own.") else ():
            shown = ",".join(f"{name}={value}" for name, value in zip(instrument.labels, labels, strict=True))
            value = (
                tally.total if isinstance(tally, Counter) else tally.value if isinstance(tally, Gauge) else tally.counts
            )
            found[f"{instrument.name}{{{shown}}}"] = value
    return found


@pytest.fixture
def owner() -> ModelOwner:
    """Return a model that runs here, for this test."""
    return ModelOwner("m", "1", Tallies())


def within(owner: ModelOwner, work: Callable[[], Any]) -> Any:
    """Do some work as code of a model."""
    context = copy_context()
    context.run(model_owner.set, owner)
    return context.run(work)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch", [0, 4])
async def test_a_model_s_metrics_carry_its_name_and_version_wherever_it_runs(
    model: Callable[..., Path], ask: Any, workers: int, batch: int
) -> None:
    folder = model("m", MODEL, parameters={"version": "v1"}, max_batch_size=batch)
    async with Server(folder, transports=[], parallel_workers=workers) as server:
        for _ in range(3):
            await ask(server, "m")
        labels = "model=m,version=v1"
        wanted = {
            f"own.loads{{{labels}}}": workers or 1,
            f"own.size{{{labels}}}": 7,
            f"own.asked{{{labels},kind=plain}}": 3,
            f"own.asked{{{labels},kind=thread}}": 3,
            f"own.open_files{{{labels}}}": 6,
            f"own.rows{{{labels}}}": [3, 0, 0, 0],
        }
        await eventually(lambda: values(server.tallies) == wanted)

        await server.control.unload("m")

        assert values(server.tallies) == {}


@pytest.mark.parametrize("workers", [0, 1])
async def test_what_code_measures_through_opentelemetry_is_measured_in_every_engine(
    model: Callable[..., Path], ask: Any, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(opentelemetry, "get_meter", provider.get_meter)

    def seen() -> dict[str, list[Any]]:
        data = reader.get_metrics_data()
        scopes = data.resource_metrics[0].scope_metrics if data else []
        return {metric.name: [metric, *metric.data.data_points] for scope in scopes for metric in scope.metrics}

    async with Server(model("m", API), transports=[], parallel_workers=workers) as server:
        await ask(server, "m")
        await ask(server, "m")
        await eventually(lambda: "library.total" in seen() and seen()["library.total"][1].value == 20)
        found = seen()

    calls, point = found["library.calls"]
    assert (calls.unit, calls.description, point.value, point.attributes) == ("{call}", "Calls.", 4, {"of": "this"})
    sizes = found["library.sizes"][1]
    assert (sizes.count, sizes.sum, tuple(sizes.explicit_bounds), list(sizes.bucket_counts)) == (
        4,
        110,
        (1, 10),
        [0, 2, 2],
    )
    assert found["library.level"][1].value == 3
    assert (found["library.seen"][1].value, found["library.seen"][1].attributes) == (4, {"a": (1, 2)})
    provider.shutdown()


def test_outside_of_a_model_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(FailedPreconditionError, match=r"metric 'own\.x': used outside of a model; use it in load"):
        metrics.counter("own.x").add()


def test_a_thread_without_its_context_is_outside(owner: ModelOwner) -> None:
    raised = []

    def add() -> None:
        try:
            metrics.counter("own.x").add()
        except FailedPreconditionError as error:
            raised.append(error)

    def start() -> None:
        thread = threading.Thread(target=add)
        thread.start()
        thread.join()

    within(owner, start)

    assert raised


@pytest.mark.parametrize(
    "name", ["", "1x", "a-b", "a b", "ä", "x" * 129, None, "mlcore.x", "process_x", "http.server.x"]
)
def test_a_name_that_is_not_fit_is_refused(name: Any) -> None:
    with pytest.raises(SettingsError, match="metric "):
        metrics.counter(name)


@pytest.mark.parametrize("label", ["model", "version", "le", "a b", "1"])
def test_a_label_that_is_not_fit_is_refused(owner: ModelOwner, label: str) -> None:
    with pytest.raises(SettingsError, match="the label"):
        within(owner, lambda: metrics.counter("own.x").add(**{label: "x"}))


@pytest.mark.parametrize("buckets", [[], [1, 1], [2, 1]])
def test_buckets_that_do_not_ascend_are_refused(buckets: list[float]) -> None:
    with pytest.raises(SettingsError, match="buckets"):
        metrics.histogram("own.x", buckets=buckets)


def test_a_counter_does_not_shrink(owner: ModelOwner) -> None:
    with pytest.raises(SettingsError, match="only grows"):
        within(owner, lambda: metrics.counter("own.x").add(-1))


def test_one_name_is_one_kind_of_thing(owner: ModelOwner) -> None:
    within(owner, lambda: metrics.counter("own.x").add())

    within(owner, lambda: metrics.counter("own.x", "Another text.").add())
    for other in (
        lambda: metrics.gauge("own.x").set(1),
        lambda: metrics.counter("own_x").add(),
        lambda: metrics.counter("own.x", unit="s").add(),
    ):
        with pytest.raises(FailedPreconditionError, match="own"):
            within(owner, other)


def test_what_a_worker_says_against_the_others_is_left_out(owner: ModelOwner, caplog: pytest.LogCaptureFixture) -> None:
    worker, front = owner.tallies, Tallies()
    front.add([[["own.x", "gauge", "", ["model", "version"], "", []], ["other", ""], 5, None]])
    within(owner, lambda: metrics.counter("own.x").add())
    within(owner, lambda: metrics.counter("own.y").add())

    front.add(worker.taken())

    assert values(front) == {"own.x{model=other,version=}": 5, "own.y{model=m,version=1}": 1}
    assert "a metric of a model is left out" in caplog.text


def test_the_number_of_series_is_bounded(owner: ModelOwner, caplog: pytest.LogCaptureFixture) -> None:
    counter = metrics.counter("own.x")

    within(owner, lambda: [counter.add(user=number) for number in range(1500)])
    within(owner, lambda: counter.add(user=3))

    found = values(owner.tallies)
    assert len(found) == 1001
    assert found["own.x{model=m,version=1,overflow=true}"] == 500
    assert found["own.x{model=m,version=1,user=3}"] == 2
    assert caplog.text.count("too many different labels") == 1


def test_the_order_of_labels_does_not_matter(owner: ModelOwner) -> None:
    counter = metrics.counter("own.x")

    within(owner, lambda: (counter.add(a=1, b=2), counter.add(b=2, a=1)))

    assert values(owner.tallies) == {"own.x{model=m,version=1,a=1,b=2}": 2}


def test_a_block_can_be_timed_also_if_it_fails(owner: ModelOwner) -> None:
    took = metrics.histogram("own.took", unit="s")

    def work() -> None:
        with pytest.raises(KeyError), took.time(step="x"):
            raise KeyError

    within(owner, work)

    assert sum(values(owner.tallies)["own.took{model=m,version=1,step=x}"]) == 1


async def test_metrics_of_two_models_are_one_metric_with_both_labels(model: Callable[..., Path], ask: Any) -> None:
    model("a", MODEL)
    folder = model("b", MODEL).parent
    async with Server(folder, transports=[], parallel_workers=0) as server:
        await asyncio.gather(ask(server, "a"), ask(server, "b"))

        found = values(server.tallies)
        assert found["own.asked{model=a,version=,kind=plain}"] == found["own.asked{model=b,version=,kind=plain}"] == 1


def test_samples_that_are_too_many_to_pass_on_are_left_out_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    provider = ForwardedMeterProvider()
    spread = provider.get_meter("library").create_histogram("library.sizes")

    for _ in range(3000):
        spread.record(1)

    ((_, _, samples),) = provider.taken()
    assert len(samples) == 2000
    assert caplog.text.count("too many samples") == 1
    assert provider.taken() == []
