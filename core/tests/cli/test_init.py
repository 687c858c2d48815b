"""`mlcore init`: a folder from a template, which serves."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("template", ["custom", "spacy", "sklearn"])
def test_every_template_makes_a_folder_that_can_be_checked(mlcore, tmp_path, template):
    folder = tmp_path / "my-model"

    done = mlcore("init", folder, "--template", template)

    assert (done.returncode, done.stderr) == (0, "")
    assert f"mlcore serve {folder}, then see {folder}/README.md\n" in done.stdout
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


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("magic", "no template is called 'magic'; there are custom, spacy, sklearn, plugin\n"),
        ("costum", "no template is called 'costum'; did you mean 'custom'?\n"),
        ("https://example.org/a/b", "For a template in a repository, run cookiecutter with its address\n"),
    ],
)
def test_an_unknown_template_says_what_there_is(mlcore, tmp_path, template, message):
    done = mlcore("init", tmp_path / "m", "-t", template)

    assert done.returncode == 2
    assert done.stderr.endswith(message)
    assert not (tmp_path / "m").exists()


def test_the_templates_are_listed(mlcore):
    done = mlcore("init", "--list")

    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["custom", "spacy", "sklearn", "plugin"]


def test_a_plugin_is_a_distribution_that_keeps_the_contract_and_serves_its_example(mlcore, server, tmp_path):
    folder = tmp_path / "runtime-my-own"
    site = tmp_path / "site"

    assert mlcore("init", folder, "-t", "plugin").returncode == 0
    written = [file for file in folder.rglob("*") if file.is_file()]
    assert not any("{{" in str(file) or "{{" in file.read_text() for file in written)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", site]
    subprocess.run([*pip, folder], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    contract = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert contract.returncode == 0, contract.stdout

    running = server(folder / "example", env={"PYTHONPATH": str(site)})
    answer = running.infer("example", {"name": "x", "shape": [2], "datatype": "FP64", "data": [1, 2]})

    assert answer.json()["outputs"][0]["data"] == [3, 6]


@pytest.mark.parametrize("name", ["runtime", "1st", "a.b", "früh"])
def test_a_name_that_no_plugin_can_have_is_refused(mlcore, tmp_path, name):
    done = mlcore("init", tmp_path / name, "-t", "plugin")

    assert done.returncode == 2
    assert "is no name for a plugin" in done.stderr
