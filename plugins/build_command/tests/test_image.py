"""What an image is made of."""

import pytest
from command_build.image import describe
from mlcore.errors import SettingsError


def distributions(place, *plugins):
    return set(describe(place, plugins).distributions)


def test_a_model_of_ones_own_needs_the_server_alone(folder):
    image = describe(folder())

    assert image.distributions == {"mlcore-server": "the server"}
    assert image.models == ("doubler",)
    assert image.ports == {"rest": 8080, "grpc": 8081, "metrics": 8082}
    assert image.notes == ()


@pytest.mark.parametrize(
    ("implementation", "distribution"),
    [
        ("spacy", "runtime-spacy"),
        ("sklearn", "runtime-sklearn"),
        ("runtime-sklearn#sklearn", "runtime-sklearn"),
        ("runtime_spacy.runtime.SpacyRuntime", "runtime-spacy"),
        ("runtime_spacy.runtime:SpacyRuntime", "runtime-spacy"),
        ("runtime-elsewhere#wonder", "runtime-elsewhere"),
    ],
)
def test_an_implementation_brings_its_distribution(folder, implementation, distribution):
    assert distributions(folder(implementation=implementation)) == {"mlcore-server", distribution}


def test_a_name_that_nobody_offers_here_is_a_note(folder):
    image = describe(folder(implementation="wonder"))

    assert set(image.distributions) == {"mlcore-server"}
    assert "no runtime is called 'wonder'" in image.notes[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"parameters": {"content_type": "pd"}},
        {"inputs": [{"name": "x", "datatype": "BYTES", "shape": [-1], "parameters": {"content_type": "pd_json"}}]},
    ],
)
def test_a_content_type_brings_its_codec(folder, settings):
    assert distributions(folder(**settings)) == {"mlcore-server", "codec-pandas"}


@pytest.mark.parametrize("code", ["import pandas as pd\n", "from codec_pandas import PandasCodec\n"])
def test_what_the_code_imports_brings_its_plugin(folder, code):
    assert distributions(folder({"lib/tables.py": code})) == {"mlcore-server", "codec-pandas"}


def test_code_that_imports_mlserver_brings_the_distribution_that_stands_in_for_it(folder):
    assert "mlcore-mlserver" in distributions(folder({"my_model.py": "from mlserver import MLModel\n"}))


def test_code_that_cannot_be_read_is_left_to_the_check(folder):
    assert distributions(folder({"broken.py": "def"})) == {"mlcore-server"}


def test_settings_of_the_server_bring_their_plugins(folder):
    place = folder({"settings.json": '{"plugins": {"allow": ["mlcore-core", "transport-rest", "guard"]}}'})

    assert distributions(place) == {"mlcore-server", "transport-rest", "guard"}


def test_what_the_folder_installs_itself_is_left_to_it(folder):
    place = folder({"requirements.txt": "runtime-spacy==0.1.0\n"}, implementation="spacy")

    assert distributions(place) == {"mlcore-server"}
    assert distributions(place, "codec-pandas") == {"mlcore-server", "codec-pandas"}


def test_ports_are_those_of_the_folder_and_not_of_whoever_builds(folder, monkeypatch):
    monkeypatch.setenv("MLCORE_HTTP_PORT", "9999")
    place = folder({"settings.json": '{"http_port": 9000, "grpc_port": 0, "transports": ["rest", "grpc"]}'})

    assert describe(place).ports == {"rest": 9000}


def test_the_version_that_is_installed_here_is_installed_there(folder):
    from importlib.metadata import version

    assert describe(folder(), ["spacy", "no-such-thing"]).requirements == [
        f"mlcore-server=={version('mlcore-server')}",
        f"spacy=={version('spacy')}",
        "no-such-thing",
    ]


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"no model-settings\.json here or below"):
        describe(tmp_path)
    with pytest.raises(SettingsError, match="is not a folder"):
        describe(tmp_path / "nowhere")


def test_wrong_settings_are_refused_with_every_mistake(folder):
    with pytest.raises(SettingsError, match="unknown setting"):
        describe(folder(implementatoin="x"))


def test_a_repository_of_another_kind_is_not_asked_here(tmp_path):
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "settings.json").write_text('{"model_repository_implementation": "far_away.Repository"}')

    assert describe(place).models == ("elsewhere",)
