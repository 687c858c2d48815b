"""`mlcore plugins`: what is installed, what it offers, and what is wrong."""

import base64
import hashlib
import json

import pytest

GOOD = """
from mlcore import hookimpl

@hookimpl
def mlcore_runtimes():
    return {"wave": "some.where:Runtime"}

@hookimpl
def mlcore_codecs():
    return {"wave": ["mlcore.codecs:StringCodec"]}
"""


@pytest.fixture
def report(mlcore):
    """Return a function that gives the report as data, and the exit code."""

    def report():
        done = mlcore("plugins", "--json")
        assert done.stderr == ""
        return json.loads(done.stdout), done.returncode

    return report


def test_what_is_installed_is_listed_with_versions_and_hooks(mlcore):
    done = mlcore("plugins")

    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    builtin = next(line for line in lines if line[:1] == ["mlcore-core:builtin"])
    assert builtin[1:] == ["0.1.0", "active", "codecs,", "commands,", "engines,", "predict,", "wire_formats"]
    assert ["inline", "mlcore-core"] in lines
    assert ["application/json", "mlcore-core"] in lines
    assert {"Plugins", "Engines", "Codecs", "Commands"} <= {line[0] for line in lines if len(line) == 1}
    assert "Problems" not in done.stdout


def test_a_good_a_broken_and_a_duplicate_plugin_are_told_apart(plugin, mlcore, report):
    plugin("runtime-one", GOOD, version="1.5")
    plugin("runtime-two", GOOD)
    plugin("runtime-wrong", "1 / 0")

    data, code = report()

    assert code == 1
    found = {record["name"]: record for record in data["plugins"]}
    assert found["runtime-one:runtime_one"] == {
        "name": "runtime-one:runtime_one",
        "version": "1.5",
        "state": "active",
        "error": "",
        "hooks": ["mlcore_codecs", "mlcore_runtimes"],
    }
    assert found["runtime-wrong:runtime_wrong"]["state"] == "broken"
    assert found["runtime-wrong:runtime_wrong"]["error"] == "fails to import: ZeroDivisionError: division by zero"
    assert data["offered"]["runtime"]["wave"] == ["runtime-one", "runtime-two"]
    assert data["problems"] == [
        "the runtime 'wave' is offered by runtime-one and runtime-two; write 'runtime-one#wave' or 'runtime-two#wave', "
        "or name the other in plugins.deny",
        "the content type 'wave' is offered by runtime-one and runtime-two; name one of them in plugins.deny",
    ]
    text = mlcore("plugins").stdout
    assert "fails to import: ZeroDivisionError" in text
    assert "Problems\n  the runtime 'wave' is offered by" in text


def test_a_denied_plugin_is_shown_as_denied(plugin, report, monkeypatch):
    plugin("runtime-one", GOOD)
    monkeypatch.setenv("MLCORE_PLUGINS", '{"deny": ["runtime-one"]}')

    data, code = report()

    assert code == 0
    assert next(record["state"] for record in data["plugins"] if record["name"].startswith("runtime-one")) == "denied"


def test_a_codec_that_cannot_be_imported_is_a_problem(plugin, report):
    plugin("runtime-one", GOOD.replace("mlcore.codecs:StringCodec", "nowhere_at_all:Codec"))

    data, code = report()

    assert code == 1
    assert data["problems"][0].startswith("plugin codec 'wave' of runtime-one: cannot import nowhere_at_all:Codec")


# --- where they come from ---


def recorded(folder, distribution, installer="pip"):
    """Write what an installer writes of the files of a distribution."""
    module = distribution.replace("-", "_")
    (info,) = folder.glob(f"{module}-*.dist-info")
    (info / "INSTALLER").write_text(f"{installer}\n")
    lines = [f"{info.name}/RECORD,,"]
    for file in (folder / f"{module}.py", info / "METADATA", info / "entry_points.txt"):
        digest = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).rstrip(b"=").decode()
        lines.append(f"{file.relative_to(folder)},sha256={digest},{file.stat().st_size}")
    (info / "RECORD").write_text("\n".join(lines) + "\n")
    return info


@pytest.fixture
def verified(mlcore):
    """Return a function that says where one distribution comes from, and the exit code."""

    def verified(distribution):
        done = mlcore("plugins", "--verify", "--json")
        found = {origin["distribution"]: origin for origin in json.loads(done.stdout)["distributions"]}
        return found[distribution], done.returncode

    return verified


def test_files_as_they_were_installed_are_verified_and_nothing_is_imported(plugin, verified):
    plugin("runtime-one", "raise SystemExit('imported')")
    info = recorded(plugin.folder, "runtime-one")
    (info / "direct_url.json").write_text('{"url": "https://example.com/one.whl", "archive_info": {}}')

    origin, code = verified("runtime-one")

    assert code == 0
    assert origin == {
        "distribution": "runtime-one",
        "version": "1.0",
        "location": str(plugin.folder),
        "installer": "pip",
        "url": "https://example.com/one.whl",
        "is_editable": False,
        "checked": 3,
        "different": [],
        "problem": "",
    }


@pytest.mark.parametrize("spoil", [lambda file: file.write_text("# changed"), lambda file: file.unlink()])
def test_a_file_that_was_changed_or_is_gone_is_named(plugin, verified, mlcore, spoil):
    plugin("runtime-one", GOOD)
    recorded(plugin.folder, "runtime-one")
    spoil(plugin.folder / "runtime_one.py")

    origin, code = verified("runtime-one")

    assert (origin["different"], code) == (["runtime_one.py"], 1)
    assert "runtime-one 1.0: 1 of 3 files DIFFER" in mlcore("plugins", "--verify").stdout


def test_a_distribution_without_a_record_cannot_be_verified(plugin, verified):
    plugin("runtime-one", GOOD)

    origin, code = verified("runtime-one")

    assert (origin["problem"], code) == ("no RECORD says what its files should be; install it again", 1)


def test_an_editable_one_says_so(mlcore):
    assert "editable, so its code is not among them" in mlcore("plugins", "--verify").stdout
