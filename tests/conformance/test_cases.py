"""Runs the recorded requests against a server of its own, in file order, and compares the answers."""

from __future__ import annotations

import gzip
import http.client
import json
import re
from pathlib import Path

import pytest
from mlcore.testing import start_server
from mlcore.testing.process import HttpAnswer

from .grpc_caller import GrpcCaller

HERE = Path(__file__).parent
RECORDED = json.loads((HERE / "cases.json").read_text())
OWN = json.loads((HERE / "own_cases.json").read_text())

# A case that is served has to leave this list: it then passes, which fails the test.
NOT_YET: dict[str, str] = {}

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def marked(cases):
    """Return the cases as parameters; those of the list are expected to fail."""
    reasons = [NOT_YET.get(case["name"]) for case in cases]
    marks = [[pytest.mark.xfail(strict=True, reason=reason)] if reason else [] for reason in reasons]
    return [pytest.param(case, id=case["name"], marks=mark) for case, mark in zip(cases, marks, strict=True)]


class Servers:
    """The servers that cases name, each started at its first case.

    Args:
        workers: How many each of them has, where the case does not say.
        models: The folder that has a folder for each of them.
    """

    def __init__(self, workers, models=HERE / "models"):
        self._workers = str(workers)
        self._models = models
        self._running = {}

    def __getitem__(self, name):
        if name not in self._running:
            folder, _, change = name.partition(", with ")
            own = re.search(r'"parallel_workers": (\d+)', change)
            env = {"MLCORE_PARALLEL_WORKERS": own[1] if own else self._workers}
            self._running[name] = start_server(self._models / folder, env=env)
        return self._running[name]

    def stop(self):
        for running in self._running.values():
            running.stop()


@pytest.fixture(scope="module", params=[0, 2], ids=["inline", "2 workers"])
def servers(request):
    started = Servers(request.param)
    yield started
    started.stop()


@pytest.mark.parametrize("case", marked(RECORDED))
def test_a_recorded_request_is_answered_as_it_should_be(servers, case):
    if case["transport"] == "grpc":
        assert_same_call(servers[case["server"]], case)
        return
    answer = sent(servers[case["server"]], case)
    expected = case["mlcore"]["body"]

    assert answer.status == case["mlcore"]["status"], answer.body
    if case["response_headers"].get("content-type", "").startswith("text/event-stream"):
        assert_same_events(case, answer)
    elif expected == "error":
        assert_error(answer)
    elif expected.startswith("same"):
        assert_same(case, answer)
    else:
        assert expected == "any"


@pytest.mark.parametrize("case", marked(OWN))
def test_a_request_of_our_own_is_answered_as_it_should_be(servers, case):
    answer = sent(servers["repo"], case)

    assert answer.status == case["status"], answer.body
    if answer.status >= 400:
        assert_error(answer)
        assert case["error"] in answer.json()["error"]
    elif "response" in case:
        assert plain(answer.json(), case["response"]) == plain(case["response"], case["response"])
    for name, value in case.get("response_headers", {}).items():
        assert answer.headers[name] == value


def test_every_case_of_the_list_is_a_case():
    assert set(NOT_YET) <= {case["name"] for case in RECORDED + OWN}
    assert len({case["name"] for case in RECORDED + OWN}) == len(RECORDED + OWN)


def assert_same_call(running, case):
    """Make a call, and compare how it ends, and what it answers."""
    caller = GrpcCaller(running.urls["grpc"])
    try:
        status, answer = caller.call(case["path"], case["body"])
    finally:
        caller.close()
    assert status == case["mlcore"]["status"], answer
    if case["mlcore"]["body"] != "same":
        return
    expected = case["response"]
    if isinstance(expected, list):
        answer = [member["infer_response"] for member in answer]
    assert plain(answer, expected) == plain(expected, expected)


def sent(running, case):
    """Send the request of a case: its headers, and none that a client would add."""
    headers = dict(case.get("headers", {}))
    body = None
    if case.get("raw_body") is not None:
        body = case["raw_body"].encode()
    elif case.get("body") is not None:
        body = json.dumps(case["body"]).encode()
        headers.setdefault("Content-Type", "application/json")
    if case.get("body_gzip"):
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
    connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=60)
    try:
        connection.request(case["method"], case["path"], body, headers)
        answer = connection.getresponse()
        return HttpAnswer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def assert_error(answer):
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"]
    assert "Traceback" not in answer.json()["error"]


def assert_same(case, answer):
    kind = case["response_kind"]
    if kind == "empty":
        assert answer.body == b""
    elif kind == "text":
        assert case["response"] in answer.body.decode()
        assert answer.headers["Content-Type"] == case["response_headers"]["content-type"]
    elif case["path"] == "/v2/repository/index":
        assert_same_index(case, answer.json())
    else:
        assert answer.headers["Content-Type"] == case["response_headers"]["content-type"]
        assert plain(answer.json(), case["response"]) == plain(case["response"], case["response"])


def assert_same_events(case, answer):
    """Compare a stream, but for the headers that only MLServer has. Where it was cut off, an event says why."""
    events, expected = events_of(answer.body.decode()), events_of(case["response"])
    for _, event in expected:
        del event["parameters"]["headers"]
    if case["response_kind"] == "truncated":
        name, told = events.pop()
        assert (name, list(told)) == ("error", ["error"])
    assert answer.headers["Content-Type"] == case["response_headers"]["content-type"]
    assert plain(events, expected) == plain(expected, expected)


def events_of(text):
    """Return the name and the data of each server-sent event."""
    assert text.endswith("\n\n")
    events = [dict(line.split(": ", 1) for line in event.split("\n")) for event in text[:-2].split("\n\n")]
    return [[event.get("event", "message"), json.loads(event["data"])] for event in events]


def assert_same_index(case, items):
    expected = {(item["name"], item.get("version")): item for item in case["response"]}
    if case["models"] != ["all"]:
        items = [item for item in items if item["name"] in case["models"]]
    found = {(item["name"], item.get("version")): item for item in items}
    sleepy = found.get(("sleepy", None))
    if sleepy is not None:
        assert (sleepy["state"], bool(sleepy["reason"])) == ("UNAVAILABLE", True)
        expected["sleepy", None] = sleepy
    assert found == expected


def plain(value, expected):
    """Return a value without empty members, and with an id that the server made as `<uuid4>` where one is due."""
    if isinstance(value, dict):
        known = expected if isinstance(expected, dict) else {}
        return {
            name: plain(member, known.get(name))
            for name, member in value.items()
            if not (name in ("parameters", "contents") and member == {})
        }
    if isinstance(value, list):
        known = expected if isinstance(expected, list) and len(expected) == len(value) else [None] * len(value)
        return [plain(member, other) for member, other in zip(value, known, strict=True)]
    return "<uuid4>" if expected == "<uuid4>" and UUID.fullmatch(str(value)) else value
