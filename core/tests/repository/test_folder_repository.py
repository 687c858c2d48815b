"""The repository: which folders are models, and everything odd that may lie between them."""

import json
import os
import shutil

import pytest
from mlcore import RuntimeOffer
from mlcore.catalogue import Catalogue
from mlcore.errors import SettingsError
from mlcore.repository.folder_repository import FolderRepository


@pytest.fixture
def runtimes():
    catalogue = Catalogue("runtime", list)
    catalogue.add("wave", RuntimeOffer("a:B", artefacts=("model.wave", "model.bin")), "runtime-wave")
    catalogue.add("alias.Wave", RuntimeOffer("a:B", artefacts=("model.wave",)), "runtime-wave")
    catalogue.add("other", RuntimeOffer("a:B", artefacts=("model.bin",)), "runtime-other")
    return catalogue


@pytest.fixture
def found(repository, runtimes):
    """Return a function that gives name, version and problem of what the repository holds."""
    folder = FolderRepository(repository, runtimes)
    return lambda: [(entry.name, entry.version, entry.problem) for entry in folder.entries()]


@pytest.fixture
def put(repository):
    """Return a function that writes a settings file, and perhaps other files beside it."""

    def put(place, *files, text=None, **settings):
        folder = repository / place
        folder.mkdir(parents=True, exist_ok=True)
        if settings or text is not None:
            text = text if text is not None else json.dumps({"implementation": "wave", **settings})
            (folder / "model-settings.json").write_text(text)
        for file in files:
            (folder / file).touch()
        return folder

    return put


def test_models_are_found_at_any_depth_and_ordered_by_name_and_version(put, found):
    put("b", name="b")
    put("deep/er/a", name="a")
    for version in ("v10", "v9", None):
        put(f"b/versions/{version}", name="v", parameters={"version": version})

    assert found() == [("a", None, ""), ("b", None, ""), ("v", None, ""), ("v", "v9", ""), ("v", "v10", "")]


def test_the_folder_itself_may_be_a_model(put, found, repository):
    put(".", platform="x")

    assert found() == [(repository.name, None, "")]


def test_an_edit_counts_at_the_next_question_and_nothing_is_read_twice(put, repository, runtimes):
    folder = FolderRepository(repository, runtimes)
    put("a", name="a")
    (first,) = folder.entries()
    (again,) = folder.entries()
    assert again.settings is first.settings

    put("a", name="b")

    assert [entry.name for entry in folder.entries()] == ["b"]


def test_a_variable_that_changes_counts_as_an_edit(put, repository, runtimes, monkeypatch):
    folder = FolderRepository(repository, runtimes)
    put("a", name="a")
    assert folder.entries()[0].settings.platform == ""

    monkeypatch.setenv("MLCORE_MODEL_PLATFORM", "new")

    assert folder.entries()[0].settings.platform == "new"


def test_hidden_folders_and_virtual_environments_are_left_out(put, found):
    for place in (".hidden/a", "__pycache__/b", "venv/lib/c"):
        put(place, name="x")
    put("venv", "pyvenv.cfg")

    assert found() == []


def test_a_link_to_a_folder_is_left_out_with_one_warning(put, found, repository, caplog):
    put("a/v3", name="a")
    (repository / "a/current").symlink_to(repository / "a/v3")
    (repository / "outside").symlink_to(repository.parent)
    (repository / ".hidden").symlink_to(repository)

    for _ in range(3):
        assert found() == [("a", None, "")]

    assert sorted(record.folder for record in caplog.records) == ["a/current", "outside"]
    assert "the folder is a link, and is left out; put the folder itself here" in caplog.text


def test_a_link_to_a_hidden_folder_of_the_repository_is_followed(put, found, repository):
    """So does a volume of Kubernetes show its files, and git-sync its checkout."""
    put("..2026_01/m/1", name="m", parameters={"version": "1"})
    put("..2026_01/single", name="single")
    (repository / "..2026_01/m/current").symlink_to("1")
    (repository / "..data").symlink_to("..2026_01")
    (repository / "m").symlink_to("..data/m")
    (repository / "single").mkdir()
    (repository / "single/model-settings.json").symlink_to("../..data/single/model-settings.json")
    (repository / "..2026_01/up").symlink_to("../..")
    (repository / "out").symlink_to("..data/up")
    assert found() == [("m", "1", ""), ("single", None, "")]

    put("..2026_02/m/2", name="m", parameters={"version": "2"})
    put("..2026_02/single", name="renamed")
    (repository / "..data_tmp").symlink_to("..2026_02")
    (repository / "..data_tmp").rename(repository / "..data")
    assert found() == [("m", "2", ""), ("renamed", None, "")]


def test_links_in_a_circle_and_to_nowhere_are_no_trouble(put, found, repository, tmp_path):
    put("a", name="a")
    (repository / "loop").symlink_to(repository / "loop")
    (repository / "nowhere").symlink_to(repository / "not there")
    (repository / "self").symlink_to(repository)
    settings = tmp_path / "elsewhere.json"
    settings.write_text(json.dumps({"implementation": "wave", "name": "linked"}))
    put("b")
    (repository / "b/model-settings.json").symlink_to(settings)

    assert found() == [("a", None, ""), ("linked", None, "")]


def test_a_pipe_called_like_a_settings_file_is_not_waited_for(put, found, repository):
    os.mkfifo(put("a") / "model-settings.json")
    put("b", name="b")
    os.mkfifo(repository / "pipe")

    assert found() == [("a", None, "a/model-settings.json: is not a file"), ("b", None, "")]


def test_a_settings_file_that_links_to_itself_is_a_problem_of_its_model(put, found):
    file = put("a") / "model-settings.json"
    file.symlink_to(file)

    assert found() == [("a", None, "a/model-settings.json: there is no such file")]


def test_a_folder_that_cannot_be_read_is_left_out_with_one_warning(put, found, repository, caplog, monkeypatch):
    """Its path is too long, which not even root can read."""
    put("good", name="good")
    monkeypatch.chdir(repository)
    for _ in range(20):
        os.mkdir("x" * 250)
        os.chdir("x" * 250)
    os.chdir(repository)

    try:
        for _ in range(2):
            assert found() == [("good", None, "")]
        (record,) = caplog.records
        assert record.message == "the folder cannot be read: File name too long"
    finally:
        shutil.rmtree(repository / ("x" * 250))


def test_a_root_that_is_gone_is_an_error(found, repository):
    repository.rmdir()

    with pytest.raises(SettingsError, match="the model repository cannot be read: No such file or directory"):
        found()


def test_names_that_only_look_alike_are_different_models(put, found):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    for name in (composed, decomposed, "Cafe"):
        put(name, name=name)

    assert {name for name, _, _ in found()} == {composed, decomposed, "Cafe"}


# --- problems ---


def test_a_broken_file_is_a_model_with_a_problem(put, found):
    put("a", text="[]")
    put("b", nmae="x")

    assert found() == [
        (
            "a",
            None,
            "a/model-settings.json: line 1, column 1: expected a JSON object, got an array",
        ),
        ("b", None, "b/model-settings.json: nmae: unknown setting; did you mean 'name'?"),
    ]


def test_a_file_that_breaks_stays_the_problem_of_the_model_it_was(put, found):
    put("folder", name="m", parameters={"version": "1"})
    assert found() == [("m", "1", "")]

    put("folder", text="{")

    assert [item[:2] for item in found()] == [("m", "1")]


def test_a_broken_folder_does_not_take_the_name_of_a_good_model(put, found):
    put("deep/m", text="{")
    put("other", name="m")

    assert [(name, bool(problem)) for name, _, problem in found()] == [("deep/m", True), ("m", False)]


@pytest.mark.parametrize(("version", "which"), [(None, "model 'm'"), ("1", "model 'm', version '1'")])
def test_two_folders_of_one_name_and_version_are_one_problem_that_names_both(put, found, version, which):
    for place in ("a", "b/c"):
        put(place, name="m", parameters={"version": version})

    assert found() == [("m", version, f"{which} is defined twice: in 'a' and in 'b/c'; rename one of them")]


# --- models without settings ---


def test_a_file_that_one_runtime_claims_is_a_model_named_after_its_folder(put, repository, runtimes):
    put("a", "model.wave")

    (entry,) = FolderRepository(repository, runtimes).entries()

    assert (entry.name, entry.settings.implementation, entry.settings.folder) == ("a", "wave", repository / "a")


def test_a_file_that_two_runtimes_claim_is_a_problem_that_names_both(put, found):
    put("a", "model.bin")

    assert found() == [
        (
            "a",
            None,
            "model.bin can be served by wave and other; choose one as 'implementation' in a/model-settings.json",
        )
    ]


def test_a_file_below_a_model_belongs_to_that_model(put, found):
    put("a", name="a")
    put("a/artefacts/deep", "model.wave")

    assert found() == [("a", None, "")]


def test_a_folder_whose_name_no_model_can_have_is_a_problem(put, found):
    put("a\\b", "model.wave")

    ((name, _, problem),) = found()

    assert name == "a\\b"
    assert "is not fit for a model; give one" in problem


def test_without_any_file_the_environment_may_describe_a_model(found, monkeypatch, put, repository):
    monkeypatch.setenv("MLCORE_MODEL_IMPLEMENTATION", "wave")
    assert found() == [(repository.name, None, "")]
    monkeypatch.setenv("MLCORE_MODEL_NAME", "from-the-environment")
    assert found() == [("from-the-environment", None, "")]
    monkeypatch.setenv("MLCORE_MODEL_THREADS", "0")
    assert "MLCORE_MODEL_THREADS: should be greater" in found()[0][2]
    monkeypatch.delenv("MLCORE_MODEL_THREADS")

    put("a", name="a")

    assert found() == [("from-the-environment", None, "")]


def test_other_variables_alone_describe_no_model(found, monkeypatch):
    monkeypatch.setenv("MLCORE_MODEL_URI", "x")

    assert found() == []


# --- stamps ---


def test_a_stamp_changes_with_any_file_of_the_model_and_with_no_other(put, repository, runtimes):
    folder = FolderRepository(repository, runtimes)

    def stamp():
        return folder.stamp(next(entry for entry in folder.entries() if entry.name == "a"))

    place = put("a", "weights.bin", name="a")
    put("b", name="b")
    put("a/nested", name="nested")
    (place / "gone").symlink_to("nowhere")
    first = stamp()
    assert stamp() == first

    put("b", "new", name="b")
    put("a/nested", "new", name="nested")
    put("a/__pycache__", "my_model.cpython-311.pyc")
    put("a", ".my_model.py.swp", "my_model.py~", name="a")
    assert stamp() == first
    (place / "weights.bin").write_bytes(b"1")
    second = stamp()
    assert second != first
    (place / "weights.bin").write_bytes(b"2")
    assert stamp() not in (first, second)


def test_a_copy_of_small_files_has_the_same_stamp_and_an_artefact_elsewhere_counts(put, repository, runtimes, tmp_path):
    folder = FolderRepository(repository, runtimes)
    place = put("a", "code.py", name="a", parameters={"uri": str(tmp_path / "weights")})
    (tmp_path / "weights").write_bytes(b"1")
    (first,) = map(folder.stamp, folder.entries())

    shutil.copytree(place, tmp_path / "copy")
    shutil.rmtree(place)
    shutil.copytree(tmp_path / "copy", place, copy_function=shutil.copyfile)
    assert [folder.stamp(entry) for entry in folder.entries()] == [first]

    (tmp_path / "weights").write_bytes(b"2")
    assert [folder.stamp(entry) for entry in folder.entries()] != [first]


def test_a_large_file_counts_by_its_time(put, repository, runtimes):
    folder = FolderRepository(repository, runtimes)
    weights = put("a", name="a") / "weights.bin"
    weights.write_bytes(bytes(100_000))
    (first,) = map(folder.stamp, folder.entries())

    os.utime(weights, (1, 1))

    assert [folder.stamp(entry) for entry in folder.entries()] != [first]


def test_a_model_that_is_broken_has_another_stamp_when_it_is_broken_otherwise(put, repository, runtimes):
    folder = FolderRepository(repository, runtimes)
    stamps = []
    for text in ("{", "{}", "[]"):
        put("a", text=text)
        stamps += map(folder.stamp, folder.entries())

    assert len(stamps) == 3
    assert stamps[0] != stamps[1] != stamps[2]


def test_a_thousand_models_are_listed(repository, runtimes):
    for number in range(1_000):
        (repository / str(number)).mkdir()
        (repository / str(number) / "model-settings.json").write_text('{"implementation": "wave"}')
    folder = FolderRepository(repository, runtimes)

    assert len(folder.entries()) == 1_000
