"""The numbers that measurements are added to: handles, and what goes from a worker to the front."""

import math
import threading

import pytest
from measured import seen
from mlcore.telemetry.instruments import (
    BATCH_ROWS,
    CACHE_LOOKUPS,
    HTTP_DURATION,
    INSTRUMENTS,
    QUEUE_SIZE,
    WORKER_DEATHS,
)
from mlcore.telemetry.tallies import Tallies


def test_a_value_at_a_bound_is_in_the_bucket_below_it() -> None:
    rows = Tallies().histogram(BATCH_ROWS, "m", "", "full")

    for value in (1, 2, 3, 512, 513):
        rows.record(value)
    rows.sort_in()

    assert rows.counts == [1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1]
    assert rows.total == 1031


@pytest.mark.parametrize("count", [0, 1, 31, 32, 5000])
def test_many_values_are_sorted_in_as_one_by_one(count: int) -> None:
    values = [(number * 7919 % 1000) / 7 for number in range(count)]
    rows = Tallies().histogram(BATCH_ROWS, "m", "", "full")

    for value in values:
        rows.record(value)
    rows.sort_in()
    rows.sort_in()

    bounds = [*BATCH_ROWS.bounds, math.inf]
    under = [sum(value <= bound for value in values) for bound in bounds]
    assert rows.counts == [above - below for below, above in zip([0, *under], under, strict=False)]
    assert rows.total == pytest.approx(sum(values))


def test_values_of_several_threads_are_all_counted() -> None:
    tallies = Tallies()
    rows = tallies.histogram(BATCH_ROWS, "m", "", "full")
    threads = [threading.Thread(target=lambda: [rows.record(3) for _ in range(20_000)]) for _ in range(4)]

    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        tallies.sort_in()
    tallies.sort_in()

    assert sum(rows.counts) == 80_000


def test_the_same_labels_are_the_same_series() -> None:
    tallies = Tallies()

    tallies.counter(CACHE_LOOKUPS, "m", "", "hit").add()
    tallies.counter(CACHE_LOOKUPS, "m", "", "hit").add(2)
    tallies.counter(CACHE_LOOKUPS, "m", "", "miss").add()

    assert seen(tallies, CACHE_LOOKUPS) == {("m", "", "hit"): 3, ("m", "", "miss"): 1}


@pytest.mark.parametrize("labels", [(), ("m",), ("m", "", "hit", "more")])
def test_a_series_has_exactly_the_labels_of_its_instrument(labels: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError, match=r"mlcore\.cache\.lookups has the labels"):
        Tallies().counter(CACHE_LOOKUPS, *labels)


def test_what_one_has_taken_another_adds() -> None:
    worker, front = Tallies(), Tallies()
    worker.counter(CACHE_LOOKUPS, "m", "", "hit").add()
    rows = worker.histogram(BATCH_ROWS, "m", "", "full")
    rows.record(4)

    front.add(worker.taken())
    rows.record(5)
    front.add(worker.taken())
    front.sort_in()

    assert worker.taken() == []
    assert front.histogram(BATCH_ROWS, "m", "", "full").counts[2:4] == [1, 1]
    assert front.histogram(BATCH_ROWS, "m", "", "full").total == 9
    assert seen(front, CACHE_LOOKUPS) == {("m", "", "hit"): 1}


def test_a_model_that_is_gone_leaves_no_series() -> None:
    tallies = Tallies()
    for model, version in (("m", "1"), ("m", "2"), ("n", "1")):
        tallies.counter(CACHE_LOOKUPS, model, version, "hit").add()
    tallies.counter(WORKER_DEATHS, "m", "1").add()
    tallies.histogram(HTTP_DURATION, "m", "1", "200").record(1)

    tallies.forget("m", "1")

    assert seen(tallies, CACHE_LOOKUPS) == {("m", "2", "hit"): 1, ("n", "1", "hit"): 1}
    assert seen(tallies, WORKER_DEATHS) == {("m", "1"): 1}
    assert seen(tallies, HTTP_DURATION) == {("m", "1", "200"): 1}


def test_observers_of_one_instrument_are_shown_together() -> None:
    tallies = Tallies()
    tallies.observe(QUEUE_SIZE, lambda: [(1, ("a", ""))])
    tallies.observe(QUEUE_SIZE, lambda: [(2, ("b", ""))])

    assert tallies.observed() == [(QUEUE_SIZE, [(("a", ""), 1), (("b", ""), 2)])]


def test_every_instrument_has_a_name_of_its_own_and_says_what_it_is() -> None:
    assert len({instrument.name for instrument in INSTRUMENTS}) == len(INSTRUMENTS) > 20
    assert all(instrument.description.endswith(".") for instrument in INSTRUMENTS)
    assert all(list(instrument.bounds) == sorted(set(instrument.bounds)) for instrument in INSTRUMENTS)
    assert all(bool(instrument.bounds) == (instrument.kind == "histogram") for instrument in INSTRUMENTS)
