"""What is measured of HTTP requests, and how an answer tells of its steps."""

import re
import time

import pytest
from mlcore.telemetry.instruments import (
    HTTP_ACTIVE,
    HTTP_DURATION,
    HTTP_REQUEST_SIZE,
    HTTP_RESPONSE_SIZE,
    REQUEST_DURATION,
    Instrument,
)
from mlcore.telemetry.tallies import Histogram, Tallies

from .conftest import text_request

ECHO = "/v2/models/echo/infer"
INFER = "/v2/models/{model_name}/infer"


def seen(tallies: Tallies, wanted: Instrument) -> dict[tuple[str, ...], tuple[int, float]]:
    """Return the count and the sum of each series."""
    found = {}
    for instrument, series in tallies.series():
        for labels, tally in series if instrument is wanted else ():
            assert isinstance(tally, Histogram)
            found[labels] = (sum(tally.counts), tally.total)
    return found


def test_requests_are_measured_by_method_route_and_status(serve) -> None:
    rest = serve()
    answer = rest.ask("echo", "x")
    missing = rest.ask("no-such-model", "x")
    encoded = rest.request("POST", "/v2/models/echo/%69nfe%72", b"{}", {"Content-Type": "application/json"})
    rest.get("/v2/health/live")
    rest.get("/nothing/here")
    rest.request("PURGE", "/v2/health/live", None)

    tallies = rest.server.tallies
    deadline = time.monotonic() + 60
    while sum(count for count, _ in seen(tallies, HTTP_DURATION).values()) < 6 and time.monotonic() < deadline:
        time.sleep(0.001)  # a client may have its answer before that is measured
    durations = seen(tallies, HTTP_DURATION)
    assert {labels: count for labels, (count, _) in durations.items()} == {
        ("POST", INFER, "200"): 1,
        ("POST", INFER, "404"): 1,
        ("POST", INFER, "400"): 1,
        ("GET", "/v2/health/live", "200"): 1,
        ("GET", "", "404"): 1,
        ("_OTHER", "", "405"): 1,
    }
    assert (answer.status, missing.status, encoded.status) == (200, 404, 400)
    assert seen(tallies, HTTP_REQUEST_SIZE)["POST", INFER, "400"] == (1, 2)
    assert seen(tallies, HTTP_RESPONSE_SIZE)["POST", INFER, "200"] == (1, len(answer.body))
    assert {
        labels: value for known, values in tallies.observed() if known is HTTP_ACTIVE for labels, value in values
    } == {
        ("POST",): 0,
        ("GET",): 0,
        ("_OTHER",): 0,
    }


def test_nothing_is_measured_where_opentelemetry_is_switched_off(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    rest = serve()

    assert rest.ask("echo", "x").status == 200
    assert rest.ask("no-such-model", "x").status == 404

    assert seen(rest.server.tallies, HTTP_DURATION) == {}
    assert seen(rest.server.tallies, REQUEST_DURATION)["echo", "", "ok"] == (0, 0)


def test_a_stream_is_measured_when_it_has_ended(serve) -> None:
    rest = serve()
    answer = rest.post("/v2/models/echo/infer_stream", text_request("x"))
    rest.stop()

    key = ("POST", "/v2/models/{model_name}/infer_stream", "200")
    assert answer.body.startswith(b"data: ")
    assert seen(rest.server.tallies, HTTP_DURATION)[key][0] == 1
    assert seen(rest.server.tallies, HTTP_RESPONSE_SIZE)[key] == (1, len(answer.body))


@pytest.mark.parametrize("is_on", [True, False])
def test_an_answer_tells_how_long_its_steps_took_where_that_is_asked_for(serve, is_on: bool) -> None:
    rest = serve(server_timing=is_on)

    answer = rest.ask("echo", "x")
    failed = rest.post(ECHO, {})

    timing = answer.headers["Server-Timing"]
    assert failed.headers["Server-Timing"] is None
    if is_on:
        number = r"dur=\d+\.\d{3}"
        assert re.fullmatch(f"queue;{number}, decode;{number}, predict;{number}, encode;{number}", timing)
    else:
        assert timing is None
