"""What a folder says that its models need."""

import pytest
from command_build.dependencies import read_dependencies
from mlcore.errors import SettingsError


def test_a_folder_that_says_nothing_needs_nothing(folder):
    assert read_dependencies(folder()).files == ()


def test_requirements_bring_what_they_name(folder):
    place = folder(
        {
            "requirements.txt": "numpy>=2\n# a comment\n-r more/others.txt\n./local-1.0-py3-none-any.whl  # here\n"
            "wheel-2.0-py3-none-any.whl\nhttps://example.org/far-1.0.whl\nsix==1.17 --hash=sha256:ab\n"
            "--no-binary :all:\n",
            "more/others.txt": "--constraint limits.txt\nCodec.Pandas[x]>=0.1 ; python_version > '3'\n",
            "more/limits.txt": "click<9\n",
            "local-1.0-py3-none-any.whl": "",
            "wheel-2.0-py3-none-any.whl": "",
        }
    )

    found = read_dependencies(place)

    assert found.requirements == "requirements.txt"
    assert found.files == (
        "requirements.txt",
        "more/others.txt",
        "more/limits.txt",
        "local-1.0-py3-none-any.whl",
        "wheel-2.0-py3-none-any.whl",
    )
    assert found.names == {"numpy", "codec-pandas", "click", "six"}


def test_a_requirements_file_that_names_itself_is_read_once(folder):
    assert read_dependencies(folder({"requirements.txt": "-r requirements.txt\nsix\n"})).files == ("requirements.txt",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-e ../lib", "requirements.txt: '-e ../lib' leads out of the folder"),
        ("-r more.txt", "requirements.txt: '-r more.txt': there is no 'more.txt' in the folder"),
        ("./here.whl", "there is no './here.whl' in the folder"),
    ],
)
def test_what_an_image_cannot_have_is_refused(folder, line, message):
    with pytest.raises(SettingsError, match=r"requirements\.txt") as error:
        read_dependencies(folder({"requirements.txt": line}))

    assert message in str(error.value)


def test_a_project_gives_its_dependencies(folder):
    place = folder({"pyproject.toml": '[project]\nname = "x"\ndependencies = ["spacy>=3.8", "codec_pandas"]\n'})

    found = read_dependencies(place)

    assert (found.project, found.files) == ("pyproject.toml", ("pyproject.toml",))
    assert found.names == {"spacy", "codec-pandas"}


def test_requirements_are_preferred_to_a_project(folder):
    place = folder({"pyproject.toml": '[project]\ndependencies = ["spacy"]\n', "requirements.txt": "six\n"})

    assert read_dependencies(place).files == ("requirements.txt",)


def test_a_project_that_is_for_tools_alone_says_nothing(folder):
    assert read_dependencies(folder({"pyproject.toml": "[tool.ruff]\nline-length = 99\n"})).files == ()


@pytest.mark.parametrize(
    "text", ['[project]\ndynamic = ["dependencies"]\n', "[tool.poetry.dependencies]\nspacy = '*'\n"]
)
def test_a_project_without_a_list_is_refused(folder, text):
    with pytest.raises(SettingsError, match=r"write a requirements\.txt"):
        read_dependencies(folder({"pyproject.toml": text}))


@pytest.mark.parametrize("name", ["environment.yml", "environment.yaml", "conda.yml", "conda.yaml"])
def test_a_conda_environment_may_stand_beside_requirements(folder, name):
    found = read_dependencies(folder({name: "dependencies: [python]\n", "requirements.txt": "six\n"}))

    assert (found.conda, found.requirements, found.files) == (name, "requirements.txt", (name, "requirements.txt"))


@pytest.mark.parametrize(
    ("line", "names"), [("mlserver", True), ("MLServer-sklearn>=1.3", True), ("mlserverless", False)]
)
def test_lines_of_mlserver_are_known(folder, line, names):
    assert read_dependencies(folder({"requirements.txt": f"{line}\n"})).names_mlserver is names
