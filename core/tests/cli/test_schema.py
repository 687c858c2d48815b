"""`mlcore schema`: the JSON schemas that editors use."""

import json

import pytest


@pytest.mark.parametrize(
    ("file", "required", "known"),
    [("settings", None, "http_port"), ("model-settings", ["implementation"], "implementation")],
)
def test_a_schema_is_printed(mlcore, file, required, known):
    done = mlcore("schema", file)

    schema = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema.get("required") == required
    assert known in schema["properties"]
    assert schema["additionalProperties"] is False
