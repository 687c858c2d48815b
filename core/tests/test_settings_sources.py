"""Where settings come from, who wins, and what is said of every mistake."""

import json
import os

import pytest
from mlcore import Server
from mlcore.errors import SettingsError
from mlcore.settings_sources import read_model_settings, read_settings

DEFAULT, FILE, DOTENV, ENVIRONMENT, OPTION = 8080, 1001, 1002, 1003, 1004


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes settings.json and returns its folder."""

    def write(text=None, **values):
        (tmp_path / "settings.json").write_text(json.dumps(values) if text is None else text)
        return tmp_path

    return write


@pytest.fixture
def file(tmp_path):
    """Return a function that writes model-settings.json and returns it."""

    def write(text=None, **values):
        place = tmp_path / "a-model/model-settings.json"
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps({"implementation": "sklearn", **values}) if text is None else text)
        return place

    return write


@pytest.fixture
def dotenv():
    """Return a function that writes `.env` in the working directory."""

    def write(*lines):
        with open(".env", "w") as file:
            file.write("\n".join(lines))

    return write


def problems(read, *arguments):
    with pytest.raises(SettingsError) as raised:
        read(*arguments)
    return [
        line.replace(f"{arguments[0]}/", "FOLDER/") if arguments else line for line in str(raised.value).splitlines()
    ]


def model_problems(file):
    return problems(read_model_settings, file, "m.json")


# --- who wins ---


@pytest.mark.parametrize("with_option", [False, True])
@pytest.mark.parametrize("with_variable", [False, True])
@pytest.mark.parametrize("with_dotenv", [False, True])
@pytest.mark.parametrize("with_file", [False, True])
def test_options_beat_the_environment_beats_dotenv_beats_the_file_beats_the_default(
    folder, dotenv, monkeypatch, with_option, with_variable, with_dotenv, with_file
):
    place = folder(**({"http_port": FILE} if with_file else {}))
    if with_dotenv:
        dotenv(f"MLCORE_HTTP_PORT={DOTENV}")
    if with_variable:
        monkeypatch.setenv("MLCORE_HTTP_PORT", str(ENVIRONMENT))
    options = {"http_port": OPTION} if with_option else {}
    given = [(with_option, OPTION), (with_variable, ENVIRONMENT), (with_dotenv, DOTENV), (with_file, FILE)]

    settings = read_settings(place, options)

    assert settings.http_port == next((value for is_given, value in given if is_given), DEFAULT)


@pytest.mark.parametrize("with_variable", [False, True])
@pytest.mark.parametrize("with_dotenv", [False, True])
@pytest.mark.parametrize("with_file", [False, True])
@pytest.mark.parametrize("setting", ["uri", "platform"])
def test_the_same_holds_for_models_and_for_their_parameters(
    file, dotenv, monkeypatch, with_variable, with_dotenv, with_file, setting
):
    values = {"parameters": {"uri": "file"}} if setting == "uri" else {"platform": "file"}
    place = file(**(values if with_file else {}))
    if with_dotenv:
        dotenv(f"MLCORE_MODEL_{setting.upper()}=dotenv")
    if with_variable:
        monkeypatch.setenv(f"MLCORE_MODEL_{setting.upper()}", "environment")
    given = [(with_variable, "environment"), (with_dotenv, "dotenv"), (with_file, "file")]

    settings = read_model_settings(place)

    found = settings.parameters.uri if setting == "uri" else settings.platform
    assert (found or None) == next((value for is_given, value in given if is_given), None)


def test_parameters_may_be_one_variable(file, monkeypatch):
    monkeypatch.setenv("MLCORE_MODEL_PARAMETERS", '{"uri": "all", "version": "all", "extra": {"a": 1}}')
    monkeypatch.setenv("MLCORE_MODEL_URI", "single")

    parameters = read_model_settings(file(parameters={"format": "file", "extra": {"a": 2, "b": 2}})).parameters

    assert (parameters.uri, parameters.version, parameters.format) == ("single", "all", "file")
    assert parameters.extra == {"a": 1, "b": 2}


def test_objects_are_merged_name_by_name(folder, monkeypatch):
    monkeypatch.setenv("MLCORE_CORS_SETTINGS", '{"max_age": 5}')

    settings = read_settings(folder(cors_settings={"max_age": 1, "allow_origins": ["*"]}))

    assert (settings.cors_settings.max_age, settings.cors_settings.allow_origins) == (5, ["*"])


def test_lists_and_objects_in_variables_are_json(monkeypatch):
    monkeypatch.setenv("MLCORE_TRANSPORTS", '["rest"]')
    monkeypatch.setenv("mlcore_plugins", '{"deny": ["a"]}')

    settings = read_settings()

    assert (settings.transports, settings.plugins.deny) == (["rest"], ["a"])


def test_without_any_source_there_are_the_defaults(tmp_path):
    assert read_settings(tmp_path) == read_settings() == read_settings(None, {})


def test_dotenv_may_hold_what_other_programs_need(dotenv, file):
    dotenv(
        "DATABASE_URL=postgres://x",
        "# a comment",
        "export MLCORE_SERVER_NAME='from dotenv'",
        "EMPTY",
        "MLCORE_LOG_LEVEL=ERROR",
    )

    settings = read_settings()

    assert (settings.server_name, settings.log_level) == ("from dotenv", "ERROR")
    assert read_model_settings(file()).name == "a-model"


def test_a_folder_called_dotenv_is_no_file_of_settings():
    os.mkdir(".env")

    assert read_settings().http_port == DEFAULT


def test_the_root_of_the_repository_is_a_setting_of_the_server_whose_name_looks_like_a_models(file, monkeypatch):
    monkeypatch.setenv("MLCORE_MODEL_REPOSITORY_ROOT", "models")

    assert read_settings().model_repository_root == "models"
    assert read_model_settings(file()).name == "a-model"


def test_variables_of_models_do_not_disturb_the_server(monkeypatch):
    monkeypatch.setenv("MLCORE_MODEL_URI", "x")

    assert read_settings().http_port == DEFAULT


# --- unknown names ---


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"http_prot": 1}, "http_prot: unknown setting; did you mean 'http_port'?"),
        ({"HTTP_PORT": 1}, "HTTP_PORT: unknown setting; did you mean 'http_port'?"),
        ({"xyzzy": 1}, "xyzzy: unknown setting"),
        ({"_env_file": "/etc/passwd"}, "_env_file: unknown setting"),
        (
            {"cors_settings": {"alow_origins": []}},
            "cors_settings.alow_origins: unknown setting; did you mean 'allow_origins'?",
        ),
        ({"plugins": {"dney": []}}, "plugins.dney: unknown setting; did you mean 'deny'?"),
    ],
)
def test_an_unknown_name_in_the_file_is_refused_with_the_nearest(folder, values, message):
    assert problems(read_settings, folder(**values)) == [f"FOLDER/settings.json: {message}"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nmae": 1}, "nmae: unknown setting; did you mean 'name'?"),
        ({"parameters": {"urii": 1}}, "parameters.urii: unknown setting; did you mean 'uri'?"),
        (
            {"parameters": {"predict_fn": 1}},
            "parameters.predict_fn: unknown setting; settings of the runtime go into parameters.extra",
        ),
        (
            {"parameters": {"_secrets_dir": "/"}},
            "parameters._secrets_dir: unknown setting; settings of the runtime go into parameters.extra",
        ),
        ({"inputs": [{"name": "x", "shpe": []}]}, "inputs.0.shpe: unknown setting; did you mean 'shape'?"),
    ],
)
def test_an_unknown_name_in_a_models_file_is_refused_with_the_nearest(file, values, message):
    assert model_problems(file(**values)) == [f"m.json: {message}"]


def test_extra_takes_any_name(file):
    assert read_model_settings(file(parameters={"extra": {"anything": {"goes": [1]}}})).parameters.extra == {
        "anything": {"goes": [1]}
    }


def test_an_unknown_variable_is_refused_with_the_nearest(monkeypatch, dotenv, file):
    monkeypatch.setenv("MLCORE_HTTP_PROT", "1")
    monkeypatch.setenv("MLCORE_XYZZY", "1")
    monkeypatch.setenv("MLCORE_MODEL_URII", "1")
    dotenv("MLCORE_GRPC_PROT=1")

    assert problems(read_settings) == [
        "environment variable MLCORE_HTTP_PROT: unknown setting; did you mean 'MLCORE_HTTP_PORT'?",
        "environment variable MLCORE_XYZZY: unknown setting",
        ".env: MLCORE_GRPC_PROT: unknown setting; did you mean 'MLCORE_GRPC_PORT'?",
    ]
    assert model_problems(file()) == [
        "environment variable MLCORE_MODEL_URII: unknown setting; did you mean 'MLCORE_MODEL_URI'?"
    ]


def test_an_unknown_option_is_refused_with_the_nearest():
    assert problems(read_settings, None, {"http_prot": 1}) == [
        "option http_prot: unknown setting; did you mean 'http_port'?"
    ]


# --- wrong values ---


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"http_port": 70000}, "http_port: should be less than or equal to 65535, got 70000"),
        ({"http_port": -1}, "http_port: should be greater than or equal to 0, got -1"),
        ({"http_port": "abc"}, 'http_port: should be a valid integer, unable to parse string as an integer, got "abc"'),
        ({"http_port": None}, "http_port: should be a valid integer, got null"),
        ({"http_port": [1]}, "http_port: should be a valid integer, got [1]"),
        ({"threads": 0}, "threads: should be greater than or equal to 1, got 0"),
        ({"drain_delay": -0.5}, "drain_delay: should be greater than or equal to 0, got -0.5"),
        ({"server_name": 5}, "server_name: should be a valid string, got 5"),
        ({"debug": "maybe"}, 'debug: should be a valid boolean, unable to interpret input, got "maybe"'),
        ({"log_level": "debug"}, "log_level: should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR', got \"debug\""),
        ({"transports": "rest"}, 'transports: should be a valid list, got "rest"'),
        ({"transports": ["rest", 1]}, "transports.1: should be a valid string, got 1"),
        ({"cors_settings": {"max_age": -1}}, "cors_settings.max_age: should be greater than or equal to 0, got -1"),
        ({"server_name": ["é" * 100]}, f'server_name: should be a valid string, got ["{"é" * 62}...'),
    ],
)
def test_a_wrong_value_names_the_setting_what_was_expected_and_what_came(folder, values, message):
    assert problems(read_settings, folder(**values)) == [f"FOLDER/settings.json: {message}"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a/b"}, 'name: expected printable text, without slashes and without spaces at its ends, got "a/b"'),
        ({"name": ".."}, 'name: expected printable text, without slashes and without spaces at its ends, got ".."'),
        ({"name": " a"}, 'name: expected printable text, without slashes and without spaces at its ends, got " a"'),
        (
            {"name": "a\nb"},
            'name: expected printable text, without slashes and without spaces at its ends, got "a\\nb"',
        ),
        ({"name": "x" * 257}, f'name: String should have at most 255 characters, got "{"x" * 63}...'),
        (
            {"parameters": {"version": "a\\b"}},
            'parameters.version: expected printable text, without slashes and without spaces at its ends, got "a\\\\b"',
        ),
        (
            {"max_batch_time": "abc"},
            'max_batch_time: should be a valid number, unable to parse string as a number, got "abc"',
        ),
        ({"parameters": 5}, "parameters: expected an object, got 5"),
        ({"parameters": {"extra": []}}, "parameters.extra: should be a valid dictionary, got []"),
        ({"inputs": [{}]}, "inputs.0.name: missing"),
        (
            {"inputs": [{"name": "x", "shape": ["a"]}]},
            'inputs.0.shape.0: should be a valid integer, unable to parse string as an integer, got "a"',
        ),
        (
            {"inputs": [{"name": "x", "parameters": {"a": []}}]},
            "inputs.0.parameters.a: expected text, a number or a boolean, got []",
        ),
        ({"threads": 0}, "threads: should be greater than or equal to 1, got 0"),
        ({"implementation": 5}, "implementation: expected an import string or a class, got 5"),
    ],
)
def test_a_wrong_value_of_a_model_is_named_as_well(file, values, message):
    assert model_problems(file(**values)) == [f"m.json: {message}"]


def test_a_wrong_datatype_lists_those_there_are(file):
    (message,) = model_problems(file(inputs=[{"name": "x", "datatype": "FLOAT"}]))

    assert message.startswith("m.json: inputs.0.datatype: expected one of BOOL, UINT8, ")
    assert message.endswith(', got "FLOAT"')


def test_a_model_without_implementation_says_what_to_write(file):
    assert model_problems(file("{}")) == [
        "m.json: implementation: missing; name a runtime, such as 'sklearn', or your own 'my_model.MyModel'"
    ]


def test_a_wrong_value_is_named_with_the_place_where_it_stands(folder, dotenv, monkeypatch):
    dotenv("MLCORE_GRPC_PORT=abc")
    monkeypatch.setenv("MLCORE_METRICS_PORT", "70000")
    monkeypatch.setenv("MLCORE_CORS_SETTINGS", '{"max_age": -1}')

    assert problems(read_settings, folder(http_port=-1), {"threads": 0}) == [
        "FOLDER/settings.json: http_port: should be greater than or equal to 0, got -1",
        '.env: MLCORE_GRPC_PORT: should be a valid integer, unable to parse string as an integer, got "abc"',
        'environment variable MLCORE_METRICS_PORT: should be less than or equal to 65535, got "70000"',
        "option threads: should be greater than or equal to 1, got 0",
        "environment variable MLCORE_CORS_SETTINGS: max_age: should be greater than or equal to 0, got -1",
    ]


def test_a_variable_that_is_no_json_is_named(monkeypatch):
    monkeypatch.setenv("MLCORE_PLUGINS", "{a")

    assert problems(read_settings) == [
        'environment variable MLCORE_PLUGINS: expected JSON, such as ["a", "b"] or {"a": 1}, got "{a"'
    ]


def test_parameters_of_a_variable_that_are_no_object_are_named(monkeypatch, file):
    monkeypatch.setenv("MLCORE_MODEL_PARAMETERS", "[1]")

    (message,) = model_problems(file())

    assert message == "environment variable MLCORE_MODEL_PARAMETERS: expected an object, got [1]"


def test_a_dotenv_that_is_no_text_is_said_to_be():
    with open(".env", "wb") as file:
        file.write(b"MLCORE_SERVER_NAME=\xff\xfe")

    (message,) = problems(read_settings)

    assert message.startswith(".env: cannot be read: ")


def test_every_mistake_is_said_at_once(file):
    assert len(model_problems(file(nmae=1, max_batch_size=-1, parameters={"urii": 1, "extra": 5}))) == 4


def test_settings_given_as_options_are_checked_the_same_way():
    with pytest.raises(SettingsError, match="option http_port: should be less than or equal to 65535, got 70000"):
        Server(http_port=70000)


# --- names of models ---


def test_a_model_without_a_name_is_named_after_its_folder(file, monkeypatch):
    place = file()
    assert read_model_settings(place).name == "a-model"

    monkeypatch.chdir(place.parent)

    relative = read_model_settings(place.relative_to(place.parent))
    assert relative.name == "a-model"
    assert relative.folder == place.parent


def test_a_folder_whose_name_no_model_can_have_needs_a_name(tmp_path):
    place = tmp_path / "a\\b/model-settings.json"
    place.parent.mkdir()
    place.write_text('{"implementation": "sklearn"}')

    assert model_problems(place) == [
        "m.json: name: missing, and that of the folder, 'a\\\\b', is not fit for a model; give one"
    ]


def test_an_empty_version_is_none(file):
    assert read_model_settings(file(parameters={"version": ""})).parameters.version is None
