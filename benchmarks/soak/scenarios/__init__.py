"""What is done to the server, one file for each; each returns its lines of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scenarios.big import big
from scenarios.churn import churn
from scenarios.hang import hang
from scenarios.hostile import hostile
from scenarios.idle import idle, idle_grpc
from scenarios.kills import kills
from scenarios.many_models import many_models
from scenarios.overload import overload
from scenarios.race import race
from scenarios.reloads import reloads
from scenarios.restarts import restarts
from scenarios.start_and_stop import start_and_stop
from scenarios.steady import steady, steady_grpc
from scenarios.streams import streams

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from table import Line


@dataclass
class Scenario:
    """What can be done to a server.

    Attributes:
        run: Does it, and returns lines of the table.
        short: Its arguments in the short form, for every change.
        long: Those in the long form, for releases.
        has_server: Whether it is given a standard server; else it starts its own.
    """

    run: Callable[..., Coroutine[Any, Any, list[Line]]]
    short: dict[str, Any]
    long: dict[str, Any]
    has_server: bool = True


SCENARIOS = [
    Scenario(start_and_stop, {}, {}, has_server=False),
    Scenario(steady, {"seconds": 8, "per_second": 80}, {"seconds": 600}),
    Scenario(steady_grpc, {"seconds": 4, "per_second": 80}, {"seconds": 600}),
    Scenario(overload, {"seconds": 3}, {"seconds": 60}),
    Scenario(hostile, {"seconds": 3}, {"seconds": 300}),
    Scenario(idle, {"connections": 500}, {"connections": 5000}),
    Scenario(idle_grpc, {"connections": 100}, {"connections": 500}),
    Scenario(churn, {"seconds": 2, "per_second": 100}, {"seconds": 60, "per_second": 500}),
    Scenario(reloads, {"count": 20}, {"count": 200}),
    Scenario(race, {"clients": 8, "rounds": 12}, {"clients": 32, "rounds": 200}),
    Scenario(big, {"count": 4, "mebibytes": 16}, {"count": 20}),
    Scenario(many_models, {"count": 20}, {"count": 100}, has_server=False),
    Scenario(kills, {"count": 3}, {"count": 30}, has_server=False),
    Scenario(hang, {"seconds": 2.0}, {"seconds": 5.0}, has_server=False),
    Scenario(restarts, {"count": 2}, {"count": 10}, has_server=False),
    Scenario(streams, {"clients": 10, "tokens": 100}, {"clients": 200, "tokens": 1000}, has_server=False),
]
