"""The same models with the imports that they had under MLServer give the same answers: nothing else is changed."""

import shutil

import pytest

from . import test_cases as cases

# One server for each of the folders; workers and gRPC are no other with other imports.
WITHOUT_WORKERS = [case for case in cases.RECORDED if case["server"] in ("repo", "stream")]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    models = tmp_path_factory.mktemp("mlserver") / "models"
    shutil.copytree(cases.HERE / "models", models)
    changed = [file for folder in ("repo", "stream") for file in (models / folder).rglob("*.py")]
    for file in changed:
        file.write_text(
            file.read_text().replace("from mlcore", "from mlserver").replace("MLCoreError", "MLServerError")
        )
    assert changed
    started = cases.Servers(0, models)
    yield started
    started.stop()


@pytest.mark.parametrize("case", cases.marked(WITHOUT_WORKERS))
def test_a_recorded_request_gets_the_same_answer_from_models_with_the_imports_they_had(servers, case):
    cases.test_a_recorded_request_is_answered_as_it_should_be(servers, case)
