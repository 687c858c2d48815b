"""`mlcore check --production`: what has to hold before strangers reach a server."""

import json
import re
from pathlib import Path

import pytest
from certificates import CertificateFiles
from mlcore import production
from mlcore.production import RULES

PAGE = Path(__file__).parents[3] / "docs/hardening.md"
OPEN = {
    "host": "0.0.0.0",
    "repository_api": True,
    "debug": True,
    "parallel_workers": 0,
    "cors_settings": {"allow_origins": ["*"]},
    "kafka_enabled": True,
    "kafka_sasl_password": "hush-hush",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("MLCORE_PARALLEL_WORKERS")
    place = tmp_path / "models"
    place.mkdir()
    (place / "echo.py").write_text("import mlcore\n\n\nclass Echo(mlcore.MLModel):\n    pass\n")
    (place / "model-settings.json").write_text('{"implementation": "echo.Echo"}')
    return place


def found(mlcore, folder, settings):
    (folder / "settings.json").write_text(json.dumps(settings))
    done = mlcore("check", "--production", folder)
    assert done.stderr == ""
    assert "hush" not in done.stdout
    return re.findall(r"^production: ([a-z-]+):", done.stdout, re.MULTILINE), done.returncode


def test_a_folder_that_keeps_to_nothing_is_told_of_every_rule(mlcore, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    files = CertificateFiles(tmp_path)
    files.issue(10)
    files.key.chmod(0o644)
    (folder / "echo.py").chmod(0o666)

    plain = found(mlcore, folder, OPEN)
    encrypted = found(mlcore, folder, {**OPEN, **files.settings})

    ids = [rule.id for rule in RULES]
    assert plain == ([name for name in ids if name not in ("certificate", "key")], 1)
    assert encrypted == ([name for name in ids if name != "tls"], 1)


def test_a_folder_that_keeps_to_every_rule_is_clean(mlcore, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    files = CertificateFiles(tmp_path)
    settings = {
        "host": "0.0.0.0",
        **files.settings,
        "tls_client_ca": str(files.ca),
        "plugins": {"allow": ["transport-rest>=0.1", "transport-grpc", "transport-metrics"]},
        "request_timeout": 30,
        "docs_page": False,
        "pickle": "pinned",
    }
    (folder / "settings.json").write_text(json.dumps(settings))  # a part of what is pinned, for it is in that folder
    assert mlcore("pin", folder).returncode == 0

    assert found(mlcore, folder, settings) == ([], 0)


def test_clients_may_be_known_by_keys_whose_hashes_are_no_secret(mlcore, folder):
    auth = {"api_keys": [{"name": "a", "sha256": "0" * 64, "scopes": ["infer"]}]}
    broken, _ = found(mlcore, folder, {"host": "0.0.0.0", "repository_api": True, "auth": auth})

    assert not {"clients", "repository-api", "secrets"} & set(broken)


def test_without_the_option_nothing_is_said_of_production(mlcore, folder):
    (folder / "settings.json").write_text('{"host": "0.0.0.0"}')
    done = mlcore("check", folder)

    assert (done.returncode, "production" in done.stdout) == (0, False)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_is_on_the_page_as_the_command_says_it(rule):
    assert f"| `{rule.id}` | {rule.wanted} | {rule.remedy} |" in PAGE.read_text(encoding="utf-8")


def test_the_page_has_no_rule_that_is_not_checked():
    assert re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == [
        rule.id for rule in production.RULES
    ]
