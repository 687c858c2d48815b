"""`mlcore import mlserver`: what it finds in a folder, file by file."""

import json

import pytest
from mlcore.cli import main
from mlcore_mlserver.code_findings import of_code
from mlcore_mlserver.install_findings import FILES, of_install
from mlcore_mlserver.settings_findings import of_environment

HOST = "host is not set, and MLServer's default is"
NAME = "server_name is not set, and MLServer's default is"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("MLSERVER_HTTP_PORT", "MLCORE_PARALLEL_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "my_model.py").write_text("from mlserver import MLModel\n\n\nclass MyModel(MLModel):\n    pass\n")
    return tmp_path


def write(folder, file, **values):
    (folder / file).write_text(json.dumps(values))


def reported(capsys, folder, *arguments):
    """Run the command, and return its exit code and what it printed."""
    code = main(["import", "mlserver", str(folder), *arguments])
    return code, capsys.readouterr().out


def lines_of(printed, place):
    """Return the lines of one place."""
    found = []
    is_there = False
    for line in printed.splitlines():
        is_there = line == place or (is_there and line.startswith("  "))
        if is_there and line != place:
            found.append(line)
    return found


def test_a_folder_that_works_as_it_is_needs_no_change(folder, capsys):
    write(folder, "settings.json", host="127.0.0.1", server_name="s")
    write(folder / "m", "model-settings.json", name="m", implementation="my_model.MyModel")

    code, printed = reported(capsys, folder)

    assert code == 0
    assert "4 places looked at: 0 need a change" in printed
    assert lines_of(printed, "m/model-settings.json") == lines_of(printed, "m/my_model.py") == []
    assert printed.endswith(f"next: mlcore check {folder}\n")


def test_nothing_is_changed(folder, capsys):
    write(folder, "settings.json", colour=1)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    assert reported(capsys, folder)[0] == 1

    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_a_setting_that_does_not_exist_needs_a_change(folder, capsys):
    write(folder, "settings.json", colour=1)
    write(folder / "m", "model-settings.json", implementation="my_model.MyModel", parameters={"depth": 3})

    code, printed = reported(capsys, folder)

    assert code == 1
    assert "  change   colour: unknown setting" in lines_of(printed, "settings.json")
    assert lines_of(printed, "m/model-settings.json") == [
        "  change   parameters.depth: unknown setting; settings of the runtime go into parameters.extra"
    ]
    assert "next: change these, then mlcore check" in printed


def test_a_default_that_is_another_is_told_only_where_nothing_is_set(folder, capsys):
    printed = reported(capsys, folder)[1]
    told = lines_of(printed, "settings.json")
    write(folder, "settings.json", host="0.0.0.0", server_name="s", debug=True)
    told_then = lines_of(reported(capsys, folder)[1], "settings.json")

    assert told[0].startswith(f"  differs  {HOST}")
    assert told[1].startswith(f"  differs  {NAME}")
    assert [line.split()[1] for line in told_then] == ["host:", "debug:"]


def test_a_setting_that_means_something_else_is_told(folder, capsys):
    write(folder / "m", "model-settings.json", implementation="my_model.MyModel", max_batch_size=4, max_batch_time=0.1)

    printed = reported(capsys, folder)[1]

    assert lines_of(printed, "m/model-settings.json") == ["  differs  max_batch_size: It counts rows, not requests."]


@pytest.mark.parametrize(
    ("implementation", "told"),
    [
        ("mlserver_xgboost.XGBoostModel", "'mlserver_xgboost.XGBoostModel': mlcore has no runtime for XGBoost yet"),
        ("nowhere.Model", "'nowhere.Model': there is no module 'nowhere', neither here nor installed"),
        ("nothing", "no runtime is called 'nothing'"),
    ],
)
def test_an_implementation_that_is_not_there_is_told(folder, capsys, implementation, told):
    write(folder / "m", "model-settings.json", implementation=implementation)

    code, printed = reported(capsys, folder)

    assert code == 1
    assert lines_of(printed, "m/model-settings.json")[0].startswith(f"  change   implementation: {told}")


@pytest.mark.parametrize("implementation", ["mlserver_sklearn.SKLearnModel", "my_model.MyModel"])
def test_an_implementation_that_is_there_is_not_told(folder, capsys, implementation):
    write(folder / "m", "model-settings.json", implementation=implementation)

    assert lines_of(reported(capsys, folder)[1], "m/model-settings.json") == []


def test_an_environment_of_its_own_needs_what_serves_in_it(folder, capsys):
    write(
        folder / "m",
        "model-settings.json",
        implementation="my_model.MyModel",
        parameters={"environment_tarball": "env.tar.gz"},
    )

    assert lines_of(reported(capsys, folder)[1], "m/model-settings.json") == [
        "  change   parameters.environment_tarball: that environment has MLServer in it; it needs mlcore-mlserver in "
        "its place"
    ]


@pytest.mark.parametrize("text", ["[1]", "{", '{"parameters": 3}'])
def test_a_file_that_is_no_settings_is_told(folder, capsys, text):
    (folder / "m" / "model-settings.json").write_text(text)

    code, printed = reported(capsys, folder)

    assert code == 1
    assert lines_of(printed, "m/model-settings.json")[0].startswith("  change   ")


def test_files_that_cannot_be_read_are_passed_over(folder, capsys):
    (folder / "m" / "binary.py").write_bytes(b"\xff\xfe\x00")
    (folder / "m" / "large.py").write_bytes(b"#" * (1 << 21))

    assert reported(capsys, folder)[0] == 0


def test_a_folder_that_is_none_is_an_error(tmp_path, capsys):
    assert main(["import", "mlserver", str(tmp_path / "nowhere")]) == 2
    assert "is not a folder" in capsys.readouterr().err


# --- code ---


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("from mlserver import MLModel, Nothing", "mlserver.Nothing: mlcore-mlserver has no such name"),
        (
            "from mlserver.parallel import InferencePool",
            "import of mlserver.parallel: mlcore-mlserver has no such module",
        ),
        ("import mlserver.nothing.inner", "import of mlserver.nothing.inner: mlcore-mlserver has no such module"),
        ("import mlserver\nmlserver.nothing()", "mlserver.nothing: mlcore-mlserver has no such name"),
        (
            "from mlserver_lightgbm import LightGBMModel",
            "import of mlserver_lightgbm: it needs MLServer itself, and",
        ),
        (
            "import mlserver\ndef f(self): self.settings.name = 'x'",
            "self.settings.name = ...: settings cannot be changed",
        ),
        (
            "import mlserver\ndef f(self): self._settings.parameters.uri += 'x'",
            "self._settings.parameters.uri = ...: set",
        ),
        ("import mlserver\nm.settings.name: str = 'x'", "m.settings.name = ...: settings cannot be changed"),
        ("def f(:", "cannot be read as Python: invalid syntax"),
    ],
)
def test_code_that_does_not_work_needs_a_change(code, told):
    (finding,) = of_code(code)

    assert finding.needs_change
    assert finding.text.startswith(told)
    assert finding.line == code.count("\n") + 1


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import mlserver\nInferenceRequest.model_fields", ".model_fields: messages are no pydantic models"),
        (
            "from mlserver.errors import MLServerError\ntry:\n    f()\nexcept (ValueError, MLServerError):\n    pass",
            "except MLServerError: errors that mlcore itself raises are no MLServerError",
        ),
    ],
)
def test_code_that_behaves_differently_is_told(code, told):
    (finding,) = of_code(code)

    assert not finding.needs_change
    assert finding.text.startswith(told)


@pytest.mark.parametrize(
    "code",
    [
        "from mlserver import *\nfrom mlserver import types, codecs\nfrom mlserver.codecs import PandasCodec",
        "import mlserver.types.dataplane as d\nimport mlserver\nmlserver.codecs.NumpyCodec\nx = 1\nx.y = 2",
        "from .mlserver import nothing\nfrom . import nothing\nimport numpy\nx.settings.y = 1\nx.model_fields",
        "import mlserver\ntry:\n    pass\nexcept ValueError:\n    pass\nexcept:\n    pass",
    ],
)
def test_code_that_works_is_not_told(code):
    assert list(of_code(code)) == []


# --- what is installed ---


def test_what_to_install_in_place_of_mlserver():
    lines = ["# mlserver", "mlserver==1.7.1", "mlserver-sklearn>=1.3", "mlserver_alibi-detect", "mlcore-mlserver"]
    text = "\n".join([*lines, "mlserver-own"])

    found = [(finding.line, finding.text.partition(":")[0], finding.needs_change) for finding in of_install(text)]

    assert found == [(2, "mlserver", True), (3, "mlserver-sklearn", True), (4, "mlserver_alibi-detect", True)]


def test_an_image_of_mlserver_is_told():
    (finding,) = of_install("FROM seldonio/mlserver:1.7.1-slim\n")

    assert (finding.line, finding.text) == (1, "the image of MLServer: mlcore build makes one of the folder")


@pytest.mark.parametrize(
    "name",
    ["requirements.txt", "dev-requirements.txt", "environment.yml", "conda.yaml", "pyproject.toml", "Dockerfile"],
)
def test_files_that_say_what_to_install_are_known(folder, capsys, name):
    (folder / name).write_text("mlserver\n")

    assert FILES.fullmatch(name)
    assert lines_of(reported(capsys, folder)[1], name) == [
        "  change   line 1: mlserver: install mlcore-mlserver in its place"
    ]


def test_a_setup_program_is_code_and_says_what_to_install(folder, capsys):
    (folder / "setup.py").write_text("install_requires = ['mlserver']\n")

    assert lines_of(reported(capsys, folder)[1], "setup.py") == [
        "  change   line 1: mlserver: install mlcore-mlserver in its place"
    ]


# --- variables ---


def test_variables_of_mlserver_are_told_with_what_differs():
    found = [
        finding.text
        for finding in of_environment(
            {
                "MLSERVER_HTTP_PORT": "9000",
                "MLSERVER_MODELS_DIR": "/mnt/models",
                "MLSERVER_MODEL_MAX_BATCH_SIZE": "4",
                "PATH": "",
            }
        )
    ]

    assert found == [
        "MLSERVER_HTTP_PORT: better called MLCORE_HTTP_PORT, which wins over the file",
        "MLSERVER_MODELS_DIR: the folder that its image serves; here it is an argument: mlcore serve FOLDER",
        "MLSERVER_MODEL_MAX_BATCH_SIZE: It counts rows, not requests.",
    ]
