"""`mlcore key`: a new key, and the line that lets it in."""

import json
from hashlib import sha256

from mlcore.access.guard import Guard
from mlcore.access.identity import Credentials
from mlcore.cli import main
from mlcore.settings import Settings


def test_the_line_lets_in_the_key(capsys):
    assert main(["key", "ci", "--scopes", "infer:wave", "metadata"]) == 0

    shown = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    secret, line = shown[0], json.loads(shown[1])
    assert line == {"name": "ci", "sha256": sha256(secret.encode()).hexdigest(), "scopes": ["infer:wave", "metadata"]}
    known = Guard.of(Settings(auth={"api_keys": [line]}))
    assert known.identify(Credentials(f"Bearer {secret}".encode())).name == "ci"


def test_no_two_keys_are_equal(capsys):
    main(["key"])
    first = capsys.readouterr().out
    main(["key"])

    assert first != capsys.readouterr().out


def test_a_scope_that_does_not_exist_is_refused(capsys):
    assert main(["key", "ci", "--scopes", "everything"]) == 2

    assert "scopes: expected admin, infer" in capsys.readouterr().err
