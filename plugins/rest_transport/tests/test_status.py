"""The table from error codes to statuses."""

from __future__ import annotations

import inspect
import json

import pytest
from mlcore import errors
from mlcore.errors import InferenceError, MLCoreError, UnavailableError
from transport_rest.status import STATUSES, error_body, error_headers, status_of

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, MLCoreError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_a_status(kind):
    assert 400 <= STATUSES[kind.code] <= 599


@pytest.mark.parametrize(("own", "status"), [(None, 400), (418, 418), (599, 599), (200, 400), (0, 400), ("418", 400)])
def test_an_errors_own_status_wins_where_it_is_one(own, status):
    assert status_of(InferenceError("x", own)) == status


@pytest.mark.parametrize(
    ("error", "after"),
    [
        (UnavailableError("x"), "1"),
        (UnavailableError("x", retry_after_s=0.2), "1"),
        (UnavailableError("x", retry_after_s=7), "7"),
        (UnavailableError("x", retry_after_s=-7), "0"),
        (InferenceError("x", 503), "1"),
        (InferenceError("x", 429, retry_after_s=2), "2"),
        (InferenceError("x"), None),
    ],
)
def test_an_error_says_when_to_come_again_and_with_503_always(error, after):
    assert error_headers(error).get("Retry-After") == after


@pytest.mark.parametrize("message", ["", "é\n\"'\\", "\ud83d", "x" * 100_000])
def test_every_message_has_a_body(message):
    assert list(json.loads(error_body(message))) == ["error"]
