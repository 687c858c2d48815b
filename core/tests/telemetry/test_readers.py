"""What a server has measured, as the readers of the OpenTelemetry SDK show it."""

from collections.abc import Iterator
from typing import Any

import pytest
from mlcore.telemetry import readers
from mlcore.telemetry.instruments import BATCH_ROWS, CACHE_LOOKUPS, QUEUE_SIZE, WORKER_CPU
from mlcore.telemetry.tallies import Tallies
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

DELTA = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}


@pytest.fixture
def tallies() -> Tallies:
    made = Tallies()
    made.counter(CACHE_LOOKUPS, "m", "1", "hit").add(3)
    made.histogram(BATCH_ROWS, "m", "1", "full").record(4)
    made.observe(QUEUE_SIZE, lambda: [(5, ("m", "1"))])
    made.observe(WORKER_CPU, lambda: [(1.5, ("", "0"))])
    return made


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[InMemoryMetricReader]:
    made = InMemoryMetricReader(preferred_temporality=getattr(request, "param", None))
    provider = MeterProvider([made])
    monkeypatch.setattr(readers.metrics, "get_meter", provider.get_meter)
    yield made
    provider.shutdown()


def points(reader: InMemoryMetricReader) -> dict[str, tuple[Any, Any]]:
    """Return the name of each metric, with its data and its only point."""
    data = reader.get_metrics_data()
    assert data is not None
    found = {}
    for scope in data.resource_metrics[0].scope_metrics:
        for metric in scope.metrics:
            (point,) = metric.data.data_points
            found[metric.name] = (metric.data, point)
    return found


def test_a_reader_shows_each_kind_with_its_labels(reader: InMemoryMetricReader, tallies: Tallies) -> None:
    readers.include(reader, tallies)

    found = points(reader)

    lookups, hits = found["mlcore.cache.lookups"]
    assert (hits.value, hits.attributes) == (3, {"model": "m", "version": "1", "outcome": "hit"})
    assert lookups.is_monotonic
    rows = found["mlcore.batch.rows"][1]
    assert (rows.count, rows.sum, rows.bucket_counts[2], rows.explicit_bounds) == (1, 4, 1, BATCH_ROWS.bounds)
    assert found["mlcore.queue.size"][1].value == 5
    assert found["mlcore.worker.cpu.time"][0].is_monotonic
    assert found["mlcore.info"][1].attributes == {"version": readers.mlcore_version()}


@pytest.mark.parametrize(("reader", "is_total"), [(None, True), (DELTA, False)], indirect=["reader"])
def test_a_reader_shows_totals_or_changes_as_it_prefers(
    reader: InMemoryMetricReader, tallies: Tallies, is_total: bool
) -> None:
    readers.include(reader, tallies)
    points(reader)

    tallies.counter(CACHE_LOOKUPS, "m", "1", "hit").add(1)
    tallies.histogram(BATCH_ROWS, "m", "1", "full").record(4)
    found = points(reader)

    wanted = AggregationTemporality.CUMULATIVE if is_total else AggregationTemporality.DELTA
    lookups, hits = found["mlcore.cache.lookups"]
    rows, batches = found["mlcore.batch.rows"]
    assert lookups.aggregation_temporality is rows.aggregation_temporality is wanted
    assert hits.value == (4 if is_total else 1)
    assert (batches.count, batches.sum, sum(batches.bucket_counts)) == ((2, 8, 2) if is_total else (1, 4, 1))
    assert hits.start_time_unix_nano < hits.time_unix_nano


def test_two_readers_of_one_server_show_the_same(reader: InMemoryMetricReader, tallies: Tallies) -> None:
    other = InMemoryMetricReader(preferred_temporality=DELTA)
    provider = MeterProvider([other])
    provider.get_meter("own").create_counter("own").add(1)
    for each in (reader, other):
        readers.include(each, tallies)

    assert points(reader)["mlcore.cache.lookups"][1].value == points(other)["mlcore.cache.lookups"][1].value == 3
    provider.shutdown()
