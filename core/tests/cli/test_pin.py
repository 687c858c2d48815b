"""`mlcore pin`: the digests of a folder's models, in their settings."""

import hashlib
import json
import os

import pytest


@pytest.fixture
def pin(mlcore, repository):
    """Return a function that pins the repository and returns the lines and the exit code."""

    def pin(*options):
        done = mlcore("pin", repository, *options)
        assert done.stderr == ""
        return done.stdout.splitlines(), done.returncode

    return pin


def settings_of(folder):
    return json.loads((folder / "model-settings.json").read_text())


def test_a_second_time_there_is_nothing_to_do(pin, model, mlcore, repository):
    folder = model("a", parameters={"uri": "w.bin"})
    (folder / "w.bin").write_bytes(b"abc")
    os.chmod(folder / "model-settings.json", 0o640)
    digest = f"sha256:{hashlib.sha256(b'abc').hexdigest()}"

    assert pin("--check") == ([f"model 'a': parameters.digest: none; now it is {digest}", "1 different"], 1)
    assert "digest" not in settings_of(folder)["parameters"]
    assert pin() == ([f"model 'a': parameters.digest: none; now it is {digest}", "1 pinned"], 0)
    assert settings_of(folder)["parameters"] == {"uri": "w.bin", "digest": digest}
    assert (folder / "model-settings.json").stat().st_mode & 0o777 == 0o640
    stamp = (folder / "model-settings.json").stat().st_mtime_ns
    assert pin() == pin("--check") == (["1 right"], 0)
    assert (folder / "model-settings.json").stat().st_mtime_ns == stamp
    assert sorted(os.listdir(folder)) == ["model-settings.json", "my_model.py", "w.bin"]
    assert mlcore("check", repository).returncode == 0


def test_a_change_is_found_by_both_checks(pin, model, mlcore, repository):
    folder = model("a")
    pin()
    (folder / "my_model.py").write_text("import mlcore")

    (line, summary), code = pin("--check")

    assert (summary, code) == ("1 different", 1)
    assert line.startswith(f"model 'a': parameters.digest: {settings_of(folder)['parameters']['digest']}; now it is ")
    assert "model 'a': parameters.digest: expected sha256:" in mlcore("check", repository).stdout


def test_what_cannot_be_pinned_is_said_and_the_others_are(pin, model, repository):
    model("a", parameters={"uri": "s3://key:secret@bucket/x"})
    model("b", parameters={"uri": "en_core_web_md"})
    model("c", parameters={"uri": "nowhere.bin"})
    model("d", nmae="x")
    model("e")

    lines, code = pin()

    assert code == 1
    assert lines[:3] == [
        "model 'a': 's3' is no file or folder here, so it has no digest",
        "model 'b': 'en_core_web_md' is no file or folder here, so it has no digest",
        "model 'c': parameters.digest: parameters.uri names no file or folder here, so it has no digest",
    ]
    assert lines[3].startswith("model 'd': d/model-settings.json: nmae: unknown setting")
    assert lines[4].startswith("model 'e': parameters.digest: none; now it is sha256:")
    assert lines[5:] == ["2 not pinned, 2 wrong, 1 pinned"]


def test_models_within_models_do_not_count_for_each_other(pin, model):
    model("outer")
    model("outer/inner")

    assert pin()[1] == 0
    assert pin("--check") == (["2 right"], 0)


def test_without_models_there_is_nothing_to_pin(mlcore, repository, tmp_path):
    for folder, said in ((repository, "no model-settings.json here or below"), (tmp_path / "no", "is not a folder")):
        done = mlcore("pin", folder)
        assert done.returncode == 2
        assert said in done.stderr
