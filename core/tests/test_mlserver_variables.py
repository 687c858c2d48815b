"""The variables of MLServer: read with the rank that they have there, and with a notice."""

import json
import logging

import pytest
from mlcore import Server
from mlcore.errors import SettingsError
from mlcore.mlserver_settings import MODEL_PARAMETERS, MODEL_SETTINGS, SERVER_SETTINGS
from mlcore.settings_sources import read_model_settings, read_settings
from mlcore.settings_variables import Variables


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes settings.json and returns its folder."""

    def write(**values):
        (tmp_path / "settings.json").write_text(json.dumps(values))
        return tmp_path

    return write


@pytest.fixture
def file(tmp_path):
    """Return a function that writes model-settings.json and returns it."""

    def write(**values):
        (tmp_path / "model-settings.json").write_text(json.dumps(values))
        return tmp_path / "model-settings.json"

    return write


@pytest.mark.parametrize("with_ours", [False, True])
@pytest.mark.parametrize("with_file", [False, True])
@pytest.mark.parametrize("with_theirs", [False, True])
@pytest.mark.parametrize("with_dotenv", [False, True])
def test_ours_beat_the_file_beats_theirs(folder, monkeypatch, with_ours, with_file, with_theirs, with_dotenv):
    place = folder(**({"http_port": 2} if with_file else {}))
    if with_ours:
        monkeypatch.setenv("MLCORE_HTTP_PORT", "1")
    if with_theirs:
        monkeypatch.setenv("MLSERVER_HTTP_PORT", "3")
    if with_dotenv:
        with open(".env", "w") as lines:
            lines.write("MLSERVER_HTTP_PORT=4")

    given = [(with_ours, 1), (with_file, 2), (with_theirs, 3), (with_dotenv, 4), (True, 8080)]

    assert read_settings(place).http_port == next(value for is_given, value in given if is_given)


def test_theirs_fill_in_what_the_file_of_a_model_lacks(file, monkeypatch):
    monkeypatch.setenv("MLSERVER_MODEL_IMPLEMENTATION", "sklearn")
    monkeypatch.setenv("MLSERVER_MODEL_NAME", "theirs")
    monkeypatch.setenv("MLSERVER_MODEL_URI", "theirs")
    monkeypatch.setenv("MLSERVER_MODEL_VERSION", "theirs")
    monkeypatch.setenv("MLSERVER_MODEL_EXTRA", '{"a": 1, "b": 1}')
    monkeypatch.setenv("MLCORE_MODEL_VERSION", "ours")

    settings = read_model_settings(file(name="file", parameters={"uri": "file", "extra": {"b": 2}}))

    assert (settings.name, settings.implementation) == ("file", "sklearn")
    assert (settings.parameters.uri, settings.parameters.version) == ("file", "ours")
    assert settings.parameters.extra == {"a": 1, "b": 2}


def test_without_a_file_they_may_describe_a_model(repository, monkeypatch):
    (repository / "my_model.py").write_text("class MyModel: ...")
    monkeypatch.setenv("MLSERVER_MODEL_IMPLEMENTATION", "my_model.MyModel")
    monkeypatch.setenv("MLSERVER_MODEL_NAME", "alone")

    (entry,) = Server(repository).repository.entries()

    assert (entry.name, entry.settings.implementation) == ("alone", "my_model.MyModel")


@pytest.mark.parametrize("name", [name for name in SERVER_SETTINGS if not SERVER_SETTINGS[name].is_useless])
def test_each_setting_of_mlserver_has_its_variable(monkeypatch, name):
    monkeypatch.setenv(f"MLSERVER_{name.upper()}", "1")

    assert f"MLSERVER_{name.upper()} as MLCORE_{name.upper()}" in Variables().notice


@pytest.mark.parametrize(
    "name", [name for name, known in {**MODEL_SETTINGS, **MODEL_PARAMETERS}.items() if not known.is_useless]
)
def test_so_has_each_setting_of_a_model(monkeypatch, name):
    monkeypatch.setenv(f"MLSERVER_MODEL_{name.upper()}", "1")

    assert f"MLSERVER_MODEL_{name.upper()} as MLCORE_MODEL_{name.upper()}" in Variables().notice


async def test_the_start_says_once_and_in_one_line_what_they_are_called_here(monkeypatch, caplog):
    monkeypatch.setenv("MLSERVER_SERVER_NAME", "theirs")
    monkeypatch.setenv("MLSERVER_MODEL_PLATFORM", "theirs")
    monkeypatch.setenv("MLSERVER_MODELS_DIR", "/mnt/models")
    monkeypatch.setenv("MLSERVER_XYZZY", "1")
    caplog.set_level(logging.WARNING, "mlcore")

    async with Server(".", transports=[]) as server:
        assert server.control.server_metadata().name == "theirs"

    assert [line.message for line in caplog.records if "MLSERVER_" in line.message] == [
        "variables of MLServer are read, for what no file says: MLSERVER_MODEL_PLATFORM as MLCORE_MODEL_PLATFORM, "
        "MLSERVER_SERVER_NAME as MLCORE_SERVER_NAME; the new names win over files; variables that have no use here: "
        "MLSERVER_MODELS_DIR (the folder that its image serves; here it is an argument: mlcore serve FOLDER), "
        "MLSERVER_XYZZY"
    ]


def test_a_wrong_value_is_called_by_the_name_that_it_has(monkeypatch, file):
    monkeypatch.setenv("MLSERVER_HTTP_PORT", "abc")
    monkeypatch.setenv("MLSERVER_MODEL_MAX_BATCH_SIZE", "many")

    with pytest.raises(SettingsError, match=r"^environment variable MLSERVER_HTTP_PORT: should be a valid integer"):
        read_settings()
    with pytest.raises(SettingsError, match=r"^environment variable MLSERVER_MODEL_MAX_BATCH_SIZE: should be a valid"):
        read_model_settings(file(implementation="sklearn"))


@pytest.mark.parametrize("service", ["MLCORE", "MLSERVER", "MLCORE_MODEL", "MLCORE_HTTP"])
def test_what_kubernetes_says_of_a_service_of_that_name_is_no_setting(monkeypatch, service, file):
    monkeypatch.setenv(f"{service}_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv(f"{service}_SERVICE_PORT", "8080")
    monkeypatch.setenv(f"{service}_SERVICE_PORT_HTTP", "8080")
    monkeypatch.setenv(f"{service}_PORT", "tcp://10.0.0.1:8080")
    monkeypatch.setenv(f"{service}_PORT_8080_TCP", "tcp://10.0.0.1:8080")
    monkeypatch.setenv(f"{service}_PORT_8080_TCP_ADDR", "10.0.0.1")

    assert read_settings().remarks == []
    assert read_settings().http_port == 8080
    assert read_model_settings(file(implementation="sklearn")).remarks == []


def test_a_misspelt_port_is_refused_all_the_same(monkeypatch):
    monkeypatch.setenv("MLCORE_HTP_PORT", "1")

    with pytest.raises(SettingsError, match="did you mean 'MLCORE_HTTP_PORT'"):
        read_settings()


# --- settings that have no use here ---


def test_what_has_no_use_here_is_passed_over_and_said_so(folder, file):
    server = read_settings(folder(metrics_dir="x", _custom_rest_server_settings={}, http_port=1))
    model = read_model_settings(file(implementation="sklearn", warm_workers=True), "m.json")

    assert server.http_port == 1
    assert [remark.partition("settings.json: ")[2].partition(" ")[0] for remark in server.remarks] == [
        "metrics_dir",
        "_custom_rest_server_settings",
    ]
    assert model.remarks == [f"m.json: warm_workers has no effect. {MODEL_SETTINGS['warm_workers'].difference}"]


def test_elsewhere_it_is_refused_with_the_reason_and_not_with_a_name_that_looks_alike(monkeypatch, file):
    with pytest.raises(SettingsError, match=r"option metrics_dir: unknown setting. Workers hand what they measure to"):
        read_settings(None, {"metrics_dir": "x"})

    monkeypatch.setenv("MLCORE_METRICS_DIR", "x")
    monkeypatch.setenv("MLCORE_MODEL_WARM_WORKERS", "1")

    with pytest.raises(SettingsError, match=r"MLCORE_METRICS_DIR: unknown setting. Workers hand what they measure to"):
        read_settings()
    with pytest.raises(SettingsError, match=r"MLCORE_MODEL_WARM_WORKERS: unknown setting. MLServer does nothing"):
        read_model_settings(file(implementation="sklearn"))
