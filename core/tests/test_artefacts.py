"""Artefacts: where a model is read from."""

import pytest
from mlcore import ModelSettings
from mlcore.artefacts import find_artefact
from mlcore.errors import ModelLoadError

NAMES = ("model.a", "model.b")


@pytest.fixture
def find(tmp_path):
    def find(uri=None):
        settings = ModelSettings(name="m", implementation="x", parameters={"uri": uri}).located(tmp_path)
        return find_artefact(settings, NAMES)

    return find


@pytest.mark.parametrize(
    ("files", "uri", "expected"),
    [
        (["model.a", "model.b"], None, "model.a"),
        (["model.b"], None, "model.b"),
        (["model.b", "other.x"], "other.x", "other.x"),
        (["model.b", "sub/model.a"], "sub", "sub/model.a"),
        (["model.b", "sub/model.a"], "./sub/../model.b", "model.b"),
    ],
)
def test_the_uri_or_a_well_known_name_is_found_from_the_models_folder(tmp_path, find, files, uri, expected):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()

    assert find(uri).resolve() == tmp_path / expected


def test_an_absolute_path_and_the_home_folder_are_taken_as_they_are(tmp_path, find, monkeypatch):
    (tmp_path / "model.a").touch()
    monkeypatch.setenv("HOME", str(tmp_path))

    assert find(str(tmp_path / "model.a")) == find("~/model.a") == tmp_path / "model.a"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("nowhere.bin", "parameters.uri: there is no file or folder 'nowhere.bin' (relative to the model's folder)"),
        (None, "parameters.uri: the model's folder has none of model.a, model.b; name the file in parameters.uri"),
        ("sub", "parameters.uri: the folder 'sub' has none of model.a, model.b; name the file in parameters.uri"),
        (
            "s3://bucket/x",
            "parameters.uri: there is no file or folder of this name, and addresses ('s3:...') are not fetched; "
            "download the files, and give their path",
        ),
    ],
)
def test_what_is_not_there_is_said_with_what_to_do(tmp_path, find, uri, message):
    (tmp_path / "sub").mkdir()

    with pytest.raises(ModelLoadError) as raised:
        find(uri)

    assert str(raised.value) == message


def test_a_model_given_in_python_is_found_from_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.a").touch()

    assert find_artefact(ModelSettings(name="m", implementation="x"), NAMES).resolve() == tmp_path / "model.a"
