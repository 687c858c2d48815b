"""A published model as requests find it: who is let in, who waits, and who comes next."""

import asyncio

import pytest
from mlcore import ModelSettings
from mlcore.engine import LoadedModel
from mlcore.errors import OverloadedError
from mlcore.served import Served
from mlcore.types import ModelMetadata


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("mlcore.served.time", clock)
    return clock


async def nothing(*_: object) -> None:
    """Take the place of what no test here calls."""


def served(concurrency: int | None, max_queue_size: int = 2, replicas: int = 1) -> Served:
    settings = ModelSettings(name="m", implementation="x")
    model = LoadedModel(settings, ModelMetadata(name="m"), nothing, nothing, nothing, concurrency, lambda: replicas)  # type: ignore[arg-type]
    return Served(model, max_queue_size)


@pytest.mark.parametrize(
    ("concurrency", "queue", "replicas", "let_in"),
    [(1, 10, 1, 11), (1, 0, 1, 1), (4, 10, 2, 18), (2, 3, 0, 5), (None, 7, 3, 7), (None, 0, 1, 1)],
)
def test_so_many_are_let_in_and_no_more(concurrency: int | None, queue: int, replicas: int, let_in: int) -> None:
    model = served(concurrency, queue, replicas)
    for _ in range(let_in):
        model.enter()

    with pytest.raises(OverloadedError) as refused:
        model.enter()
    model.leave()
    model.enter()

    assert refused.value.retry_after_s == 1
    assert model.under_way == let_in


def test_a_long_queue_is_worth_a_longer_wait(clock: Clock) -> None:
    model = served(1, 100)
    for _ in range(100):
        model.enter()
        model.begin()
    for _ in range(100):
        clock.now += 0.2
        model.end()
    model.enter()

    with pytest.raises(OverloadedError) as refused:
        model.enter()

    assert 15 <= refused.value.retry_after_s <= 21


@pytest.mark.parametrize(("service_s", "window"), [(10.0, 2), (0.01, 2), (0.001, 3), (0.0001, 21), (0.000001, 65)])
def test_a_replica_gets_ahead_what_takes_it_two_milliseconds(clock: Clock, service_s: float, window: int) -> None:
    model = served(1, 1000)
    for _ in range(200):
        model.begin()
    for _ in range(199):
        clock.now += service_s
        model.end()
    began = 0
    while model.has_room:
        model.begin()
        began += 1

    assert abs(began + 1 - window) <= 1


def test_time_without_work_says_nothing_of_the_models_speed(clock: Clock) -> None:
    model = served(1, 1000)
    for _ in range(100):
        model.begin()
        model.begin()
        clock.now += 0.0001
        model.end()
        model.end()
        clock.now += 100
    window = 0
    while model.has_room:
        model.begin()
        window += 1

    assert window > 10


async def waiting(model: Served, *priorities: int) -> tuple[list[int], list[asyncio.Task[None]]]:
    """Let requests of these priorities wait; return in which order they come, as it becomes known."""
    order: list[int] = []

    async def one(index: int, priority: int) -> None:
        await model.turn(priority)
        order.append(index)

    tasks = [asyncio.create_task(one(index, priority)) for index, priority in enumerate(priorities)]
    await asyncio.sleep(0)
    return order, tasks


async def test_the_most_urgent_comes_next_and_equals_in_their_order() -> None:
    model = served(1)
    order, tasks = await waiting(model, 5, 5, 9, 1, 5, 1)
    for _ in tasks:
        model.end()
        await asyncio.sleep(0)

    assert order == [0, 1, 3, 5, 4, 2]  # the first two had room


async def test_a_request_that_leaves_the_queue_is_passed_over() -> None:
    model = served(1)
    order, tasks = await waiting(model, 1, 1, 1, 1)
    tasks[2].cancel()
    await asyncio.sleep(0)
    model.end()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert order == [0, 1, 3]


async def test_a_request_that_leaves_at_its_very_turn_gives_it_to_the_next() -> None:
    model = served(1)
    order, tasks = await waiting(model, 1, 1, 1, 1)
    model.end()
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert order == [0, 1, 3]


async def test_a_model_that_works_on_any_number_lets_nobody_wait() -> None:
    model = served(None, 1000)
    order, _ = await waiting(model, *range(500))
    model.end()

    assert order == list(range(500))


async def test_those_who_have_left_do_not_pile_up_behind_a_model_that_is_stuck() -> None:
    model = served(1)
    while model.has_room:
        model.begin()
    first = asyncio.create_task(model.turn(1))
    for _ in range(1000):
        leaving = asyncio.create_task(model.turn(1))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait({leaving})

    assert len(model._waiting) < 200
    model.end()
    await first
