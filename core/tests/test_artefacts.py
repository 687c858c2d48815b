"""Artefacts: where a model is read from, and what may be unpickled."""

import os
import time

import pytest
from mlcore import ModelSettings
from mlcore.artefacts import artefact_place, find_artefact, open_pickle
from mlcore.errors import ModelLoadError
from mlcore.trust import Trust

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


# --- where it may be ---


@pytest.fixture
def contained(tmp_path):
    """Return a function that finds an artefact of a model in a served folder, and what is around that."""
    root = tmp_path / "served"
    for place in (root / "m", root / "shared", tmp_path / "outside", tmp_path / "more"):
        place.mkdir(parents=True)
        (place / "model.a").touch()
    (root / "m" / "leads_out.a").symlink_to(tmp_path / "outside" / "model.a")
    (root / "m" / "leads_out").symlink_to(tmp_path / "outside")
    (root / "m" / "inside.a").symlink_to("../shared/model.a")

    def contained(uri=None, folders=None):
        settings = ModelSettings(name="m", implementation="x", parameters={"uri": uri}).located(root / "m")
        return find_artefact(settings.trusting(Trust(root=str(root), folders=folders)), ("model.a",))

    return contained


@pytest.mark.parametrize("uri", [None, "model.a", "inside.a", "../shared", "../shared/model.a", "../m/model.a"])
def test_an_artefact_may_be_anywhere_in_the_served_folder(contained, uri):
    assert contained(uri).is_file()
    assert contained(uri, []).is_file()


@pytest.mark.parametrize(
    "uri",
    ["../../outside/model.a", "../../outside", "leads_out.a", "leads_out", "leads_out/model.a", "../.."],
)
@pytest.mark.parametrize("folders", [None, [], ["more"]])
def test_b106_neither_dots_nor_links_lead_out_of_it(contained, uri, folders):
    with pytest.raises(ModelLoadError, match=f"parameters.uri: '{uri}' leads out of the served folder; put the files"):
        contained(uri, folders)


def test_a_well_known_name_is_no_way_out_either(contained, tmp_path):
    (tmp_path / "served/m/model.a").unlink()
    (tmp_path / "served/m/model.a").symlink_to(tmp_path / "outside/model.a")

    with pytest.raises(ModelLoadError, match=r"'model\.a' leads out of the served folder"):
        contained()


def test_an_absolute_path_says_openly_where_it_leads_unless_the_places_are_listed(contained, tmp_path):
    outside = str(tmp_path / "outside/model.a")

    assert str(contained(outside)) == outside
    for folders in ([], [str(tmp_path / "more")]):
        with pytest.raises(ModelLoadError, match="leads out of the served folder"):
            contained(outside, folders)


@pytest.mark.parametrize("uri", ["../../outside/model.a", "leads_out.a", "leads_out"])
def test_the_operator_may_list_other_places(contained, tmp_path, uri):
    assert contained(uri, [str(tmp_path / "more"), str(tmp_path / "outside")]).is_file()
    assert contained(str(tmp_path / "outside"), [str(tmp_path / "outside")]).is_file()


def test_a_folder_whose_name_only_begins_alike_is_another_one(contained, tmp_path):
    (tmp_path / "served-too").mkdir()
    (tmp_path / "served-too/model.a").touch()

    with pytest.raises(ModelLoadError, match="leads out"):
        contained("../../served-too")


@pytest.mark.parametrize("uri", ["http://169.254.169.254/secret", "HTTP://localhost/secret", "file:///secret"])
def test_b115_an_address_is_not_fetched(uri):
    with pytest.raises(ModelLoadError, match=r"addresses \('[A-Za-z]+:...'\) are not fetched") as raised:
        artefact_place(ModelSettings(name="m", implementation="x", parameters={"uri": uri}))

    assert "169" not in str(raised.value)


@pytest.mark.parametrize("uri", ["s3://key:secret@bucket/m", "hf://secret/m", "mlflow:secret@x/../.."])
def test_b116_an_address_is_not_shown(uri):
    with pytest.raises(ModelLoadError, match=r"addresses \('[a-z0-9]+:...'\) are not fetched") as raised:
        artefact_place(ModelSettings(name="m", implementation="x", parameters={"uri": uri}))

    assert "secret" not in str(raised.value)


# --- pickles ---


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens a file as a pickle, and gives its content."""
    (tmp_path / "checked").mkdir()
    (tmp_path / "checked/m.pkl").write_text("pinned")
    (tmp_path / "m.pkl").write_text("plain")

    def opened(file, **trust):
        settings = ModelSettings(name="m", implementation="x").trusting(Trust(**trust))
        with open_pickle(settings, tmp_path / file) as content:
            return content.read().decode()

    return opened


def test_b126_by_default_all_pickles_may_be_read(opened):
    assert opened("m.pkl") == "plain"


def test_b126_where_none_may_be_not_even_one_with_a_digest_is(opened, tmp_path):
    for file in ("m.pkl", "checked/m.pkl"):
        with pytest.raises(ModelLoadError, match=r"m\.pkl: pickle not permitted: set the server's setting pickle to"):
            opened(file, pickles="deny", checked=str(tmp_path / "checked"))


def test_b126_where_they_need_a_digest_only_the_checked_copy_is_read(opened, tmp_path):
    checked = {"pickles": "pinned", "checked": str(tmp_path / "checked")}

    assert opened("checked/m.pkl", **checked) == "pinned"
    for file, trust in (("m.pkl", checked), ("m.pkl", {"pickles": "pinned"})):
        with pytest.raises(ModelLoadError, match=r"pickle not permitted: set parameters\.digest, which 'mlcore pin"):
            opened(file, **trust)


def test_b126_for_a_client_only_what_was_there_before_needs_no_digest(opened, tmp_path):
    changed = os.stat(tmp_path / "m.pkl").st_ctime_ns

    assert opened("m.pkl", since_ns=changed + 1) == "plain"
    for since_ns in (changed, 0):
        with pytest.raises(ModelLoadError, match="came, or was changed, after the server's start"):
            opened("m.pkl", since_ns=since_ns)
    assert opened("checked/m.pkl", since_ns=0, checked=str(tmp_path / "checked")) == "pinned"


def test_b126_an_older_date_does_not_make_a_file_older(opened, tmp_path):
    began = time.time_ns()
    while os.stat(tmp_path / "m.pkl").st_ctime_ns < began:  # the clock of files is a coarse one
        (tmp_path / "m.pkl").write_text("evil")
        os.utime(tmp_path / "m.pkl", (0, 0))

    with pytest.raises(ModelLoadError, match="pickle not permitted"):
        opened("m.pkl", since_ns=began)
