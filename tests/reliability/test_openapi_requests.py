"""Requests that the OpenAPI document allows, and such that it does not, against a live server: answers are as it says.

The examples are the same each time; `scripts/fuzz 600 openapi` sends more.
"""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from mlcore.testing import start_server
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi.checks import negative_data_rejection

from .semantic_models import write_models

EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "5"))
DOCUMENTS = ["/openapi.json", "/v2/models/declared/docs/dataplane.json"]

# A body that is right by its schema may still be wrong: OpenAPI cannot say that a shape has to fit its data. So whether
# it is accepted is not asked.
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    negative_data_rejection,
]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Return a server of its own: what is sent loads and unloads models."""
    folder = tmp_path_factory.mktemp("openapi")
    write_models(folder)
    server = start_server(folder, "--parallel-workers", "0")
    yield server
    server.stop()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "not allowed"])
@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_operation_answers_as_the_document_says(running, document, mode) -> None:
    asked = 0
    for result in schemathesis.openapi.from_url(running.url + document).get_all_operations():
        operation = result.ok()
        if mode is GenerationMode.POSITIVE or operation.body:  # without a body, there is nothing to be wrong
            asked += asked_of(operation, mode)

    assert asked >= EXAMPLES


def asked_of(operation, mode):
    """Ask one operation, and return how often."""
    # Tools disagree on what the schema of an event stream describes; what it says is tested with the document.
    checked = CHECKS if operation.path.endswith("_stream") else [*CHECKS, checks.response_schema_conformance]
    asked = 0

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case) -> None:
        nonlocal asked
        case.call_and_validate(checks=checked)
        asked += 1

    ask()
    return asked
