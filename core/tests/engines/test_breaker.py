"""The breaker: how often a model may take its worker with it."""

import pytest
from mlcore.engines.process.breaker import Breaker


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("mlcore.engines.process.breaker.time", clock)
    return clock


def test_it_opens_at_the_fifth_death_in_a_row_and_says_why(clock: Clock) -> None:
    breaker = Breaker()

    assert [breaker.record("killed by SIGKILL") for _ in range(5)] == [False, False, False, False, True]
    assert breaker.is_open
    assert breaker.left_s == 30
    assert breaker.reason == "its worker ended 5 times in a row, the last one: killed by SIGKILL"


def test_it_opens_at_the_second_death_during_a_load(clock: Clock) -> None:
    breaker = Breaker()

    assert [breaker.record("exit code 1", at_load=True) for _ in range(2)] == [False, True]


def test_deaths_long_after_each_other_are_not_in_a_row(clock: Clock) -> None:
    breaker = Breaker()

    for _ in range(20):
        assert not breaker.record("exit code 1")
        clock.now += 31


def test_it_closes_after_a_rest_and_rests_longer_each_time(clock: Clock) -> None:
    breaker = Breaker()
    rests = []
    for _ in range(5):
        breaker.record("exit code 1")
    for _ in range(6):
        rests.append(breaker.left_s)
        clock.now += breaker.left_s
        assert not breaker.is_open
        assert breaker.record("exit code 1")

    assert rests == [30, 60, 120, 240, 300, 300]


def test_a_model_that_did_well_for_a_while_after_its_rest_begins_anew(clock: Clock) -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.record("exit code 1")
    clock.now += breaker.left_s + 31

    assert not breaker.record("exit code 1")
    assert breaker.deaths == 1
