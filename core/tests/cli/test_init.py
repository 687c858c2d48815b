"""`mlcore init`: a folder from a template, which serves."""

import json

import pytest


@pytest.mark.parametrize("template", ["custom", "spacy", "sklearn"])
def test_every_template_makes_a_folder_that_can_be_checked(mlcore, tmp_path, template):
    folder = tmp_path / "my-model"

    done = mlcore("init", folder, "--template", template)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"next: mlcore serve {folder}, then see {folder}/README.md\n")
    assert json.loads((folder / "model-settings.json").read_text())["name"] == "my-model"
    assert "{{" not in (folder / "README.md").read_text()
    checked = mlcore("check", folder)
    assert checked.stdout == "1 model checked, 0 problems\n", checked.stdout


def test_the_models_own_class_is_the_default_and_serves_at_once(mlcore, server, tmp_path):
    mlcore("init", tmp_path / "doubler")

    running = server(tmp_path / "doubler")
    answer = running.infer("doubler", {"name": "x", "shape": [3], "datatype": "FP32", "data": [1, 2, 3]})

    assert answer.status == 200
    assert answer.json()["outputs"][0]["data"] == [2, 4, 6]


def test_an_empty_folder_may_be_there(mlcore, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()

    monkeypatch.chdir(folder)

    assert mlcore("init", ".").returncode == 0
    assert json.loads((folder / "model-settings.json").read_text())["name"] == "here"


def test_nothing_is_overwritten(mlcore, tmp_path):
    folder = tmp_path / "m"
    mlcore("init", folder)
    (folder / "my_model.py").write_text("mine")

    done = mlcore("init", folder)

    assert done.returncode == 2
    assert done.stderr == (
        f"mlcore: error: {folder}: has README.md, model-settings.json, my_model.py already; nothing was written\n"
    )
    assert (folder / "my_model.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ('a"b', "a quote in the folder's name; choose another"),
        ("a\\b", "is not fit for a model; give one"),
        ("x" * 300, "is not fit for a model; give one"),
        ("x" * 300 + "/y", "File name too long"),
    ],
)
def test_a_name_that_no_model_can_have_is_refused(mlcore, tmp_path, name, message):
    done = mlcore("init", tmp_path / name)

    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unknown_template_lists_those_there_are(mlcore, tmp_path):
    done = mlcore("init", tmp_path / "m", "-t", "magic")

    assert done.returncode == 2
    assert "custom" in done.stderr
