import logging
import pickle
import sys
import warnings

import joblib
import pytest
import skops.io
from mlcore import ModelSettings
from mlcore.errors import ModelLoadError
from runtime_sklearn.artefact import read_artefact
from sklearn import __version__ as installed
from sklearn.linear_model import LinearRegression


@pytest.fixture
def settings_of(tmp_path):
    return lambda **parameters: ModelSettings(name="m", implementation="sklearn", parameters=parameters).located(
        tmp_path
    )


@pytest.fixture
def line():
    """Return a regression through 0, 1 and 2."""
    return LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])


def pickled(model, file):
    file.write_bytes(pickle.dumps(model))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("model.joblib", joblib.dump),
        ("model.pkl", pickled),
        ("model.pickle", pickled),
        ("model.pkl", joblib.dump),
        ("model.skops", skops.io.dump),
    ],
)
def test_every_format_is_read_under_its_usual_name(tmp_path, settings_of, line, name, write):
    write(line, tmp_path / name)

    assert read_artefact(settings_of()).predict([[5.0]]) == pytest.approx(5.0)


def test_the_uri_may_name_any_file(tmp_path, settings_of, line):
    pickled(line, tmp_path / "line.sav")

    assert read_artefact(settings_of(uri="line.sav")).coef_ == pytest.approx(1.0)


def test_the_format_wins_over_the_name(tmp_path, settings_of, line):
    skops.io.dump(line, tmp_path / "line.bin")

    assert read_artefact(settings_of(uri="line.bin", format="skops")).coef_ == pytest.approx(1.0)


def test_an_unknown_format_lists_those_there_are(tmp_path, settings_of, line):
    joblib.dump(line, tmp_path / "model.joblib")

    with pytest.raises(ModelLoadError, match=r"parameters\.format: expected one of joblib, pickle, skops, got 'onnx'"):
        read_artefact(settings_of(format="onnx"))


def test_a_folder_without_a_model_says_which_files_are_looked_for(settings_of):
    with pytest.raises(ModelLoadError, match=r"none of model\.joblib, model\.pkl, model\.pickle, model\.skops"):
        read_artefact(settings_of())


def test_a_pickle_under_the_name_of_skops_is_not_read_as_one(tmp_path, settings_of, line):
    pickled(line, tmp_path / "model.skops")

    with pytest.raises(ModelLoadError, match=r"model\.skops: it is no skops file but a pickle"):
        read_artefact(settings_of())


@pytest.mark.parametrize("content", [b"", b"no model", b"\x80\x04\x95"])
def test_a_damaged_file_is_said_to_be_so(tmp_path, settings_of, content):
    (tmp_path / "model.joblib").write_bytes(content)

    with pytest.raises(ModelLoadError, match=r"model\.joblib: it is damaged"):
        read_artefact(settings_of())


class Doubling(LinearRegression):
    """A type that skops does not know."""


def test_an_unknown_type_in_a_skops_file_is_refused_by_name(tmp_path, settings_of, line):
    skops.io.dump(Doubling().fit([[0.0], [1.0]], [0.0, 1.0]), tmp_path / "model.skops")

    with pytest.raises(ModelLoadError) as refused:
        read_artefact(settings_of())

    assert f"not known to be safe: {__name__}.Doubling; if you trust the file" in str(refused.value)
    assert "parameters.extra.trusted_types" in str(refused.value)


def test_a_trusted_type_in_a_skops_file_is_loaded(tmp_path, settings_of, monkeypatch):
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Doubling.__module__])
    skops.io.dump(Doubling().fit([[0.0], [1.0]], [0.0, 1.0]), tmp_path / "model.skops")

    model = read_artefact(settings_of(), [f"{Doubling.__module__}.Doubling", "not.there.Either"])

    assert type(model) is Doubling


def test_another_version_of_scikit_learn_is_one_line_in_the_log(tmp_path, settings_of, line, caplog):
    save_as_of("1.0.2", line, tmp_path)

    with caplog.at_level(logging.WARNING):
        read_artefact(settings_of())

    assert len(caplog.records) == 1
    assert f"saved by scikit-learn 1.0.2, and {installed} is installed" in caplog.text


def test_another_version_is_named_where_the_file_cannot_be_read(tmp_path, settings_of, line):
    save_as_of("1.0.2", {"line": line, "rest": Unreadable()}, tmp_path)

    with pytest.raises(ModelLoadError, match=r"ValueError: no more; it was saved by scikit-learn 1\.0\.2"):
        read_artefact(settings_of())


def test_other_warnings_stay_warnings(tmp_path, settings_of):
    pickled(Warning_(), tmp_path / "model.pkl")

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        read_artefact(settings_of())

    assert [str(warning.message) for warning in seen] == ["mind the gap"]


def test_a_class_of_the_script_says_how_to_save_it(tmp_path, settings_of):
    (tmp_path / "model.pkl").write_bytes(b"c__main__\nNotHere\n.")

    with pytest.raises(ModelLoadError, match=r"a class or function of the script that saved it .* module of its own"):
        read_artefact(settings_of())


def test_a_missing_module_is_named(tmp_path, settings_of):
    (tmp_path / "model.pkl").write_bytes(b"cno_such_module\nThing\n.")

    with pytest.raises(ModelLoadError, match="needs the module 'no_such_module', which is neither installed nor"):
        read_artefact(settings_of())


class Unreadable:
    def __reduce__(self):
        return _raise, ()


def _raise():
    raise ValueError("no more")


class Warning_:
    def __reduce__(self):
        return _warn, ()


def _warn():
    warnings.warn("mind the gap", UserWarning, stacklevel=1)
    return 1


def save_as_of(version, model, folder):
    """Save a model as an older scikit-learn would have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn.base.__version__", version)
        pickled(model, folder / "model.pkl")
