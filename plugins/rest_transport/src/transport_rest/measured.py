"""What is measured of each HTTP request, by the names of OpenTelemetry's semantic conventions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlcore.telemetry.instruments import HTTP_ACTIVE, HTTP_DURATION, HTTP_REQUEST_SIZE, HTTP_RESPONSE_SIZE

from transport_rest.routes import method_of, route_of
from transport_rest.status import CLIENT_GONE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from mlcore.telemetry.tallies import Histogram, Tallies

    from transport_rest.asgi import App, Message, Receive, Scope, Send

_LONGEST_NUMBER = 18


def measured(app: App, tallies: Tallies) -> App:
    """Let the requests of an app be measured."""
    active: dict[str, int] = {}
    series: dict[tuple[str, str, int], tuple[Histogram, Histogram, Histogram]] = {}

    def observed() -> Iterable[tuple[float, tuple[str, ...]]]:
        return [(count, (method,)) for method, count in active.copy().items()]

    tallies.observe(HTTP_ACTIVE, observed)

    def series_of(key: tuple[str, str, int]) -> tuple[Histogram, Histogram, Histogram]:
        labels = (key[0], key[1], str(key[2]))
        durations = tallies.histogram(HTTP_DURATION, *labels)
        sizes = tallies.histogram(HTTP_REQUEST_SIZE, *labels), tallies.histogram(HTTP_RESPONSE_SIZE, *labels)
        return series.setdefault(key, (durations, *sizes))

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        since = time.monotonic()
        status = CLIENT_GONE
        sent = 0
        method = method_of(scope)
        active[method] = active.get(method, 0) + 1

        def sending(message: Message) -> Awaitable[None]:  # not a coroutine of its own, which would cost as much again
            nonlocal status, sent
            if "status" in message:
                status = message["status"]
            elif "body" in message:
                sent += len(message["body"])
            return send(message)

        try:
            await app(scope, receive, sending)
        finally:
            active[method] -= 1
            key = (method, route_of(scope) or "", status)
            durations, requests, responses = series.get(key) or series_of(key)
            durations.record(time.monotonic() - since)
            requests.record(_announced(scope))
            responses.record(sent)

    return wrapped


def _announced(scope: Scope) -> int:
    """Return the bytes of the body, as the client has announced them; 0 if it sends chunks."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) <= _LONGEST_NUMBER else 0
    return 0
