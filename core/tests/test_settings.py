"""Settings as records: frozen, documented, and made in Python as well."""

import pytest
from mlcore import MLModel, ModelParameters, ModelSettings, Settings
from pydantic import ValidationError


@pytest.mark.parametrize("kind", [Settings, ModelSettings, ModelParameters])
def test_every_setting_is_described_in_a_sentence(kind):
    assert all(field.description.endswith(".") for field in kind.model_fields.values())


@pytest.mark.parametrize(
    ("settings", "name"),
    [(Settings(), "http_port"), (ModelSettings(implementation="x"), "name"), (ModelParameters(), "uri")],
)
def test_settings_cannot_be_changed(settings, name):
    with pytest.raises(ValidationError):
        setattr(settings, name, 1)


def test_only_this_machine_reaches_a_server_by_default():
    settings = Settings()

    assert settings.host == "127.0.0.1"
    assert settings.repository_api is None
    assert settings.cors_settings is None
    assert not settings.debug


def test_a_models_settings_can_be_made_in_python_with_a_class():
    class Own(MLModel):
        pass

    settings = ModelSettings(name="m", implementation=Own, parameters={"uri": "x"}, inputs=[{"name": "i"}])

    assert settings.implementation is Own
    assert settings.parameters.uri == "x"
    assert settings.folder is None
    assert ModelSettings(name="m", implementation=Own, parameters=ModelParameters(uri="x")).parameters.uri == "x"


def test_located_settings_are_a_copy_with_an_absolute_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ModelSettings(name="m", implementation="x")

    located = given.located(tmp_path.relative_to(tmp_path))

    assert located.folder == tmp_path
    assert given.folder is None
    assert (located.name, given.located(tmp_path / "other").name) == ("m", "m")


def test_settings_without_a_name_take_that_of_the_folder(tmp_path):
    assert ModelSettings(implementation="x").located(tmp_path / "wave").name == "wave"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1])
def test_seconds_are_finite_and_not_negative(value):
    with pytest.raises(ValidationError):
        Settings(drain_delay=value)


def test_the_schemas_can_be_written():
    for kind in (Settings, ModelSettings):
        schema = kind.model_json_schema()
        assert set(schema["properties"]) == set(kind.model_fields)
        assert schema["additionalProperties"] is False
