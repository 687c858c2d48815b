"""`implementation` strings: what each form names, without importing anything."""

import pytest
from mlcore import MLModel, RuntimeOffer
from mlcore.catalogue import Catalogue
from mlcore.errors import AmbiguousNameError, UnknownNameError
from mlcore.implementation import resolve


class Own(MLModel):
    pass


@pytest.fixture
def runtimes():
    catalogue = Catalogue("runtime", list)
    catalogue.add("sklearn", RuntimeOffer("runtime_sklearn.runtime:SklearnRuntime"), "runtime-sklearn")
    catalogue.add(
        "mlserver_sklearn.SKLearnModel", RuntimeOffer("runtime_sklearn.runtime:SklearnRuntime"), "runtime-sklearn"
    )
    catalogue.add("own", RuntimeOffer(Own), "python")
    catalogue.add("twice", RuntimeOffer("one:A"), "runtime-one")
    catalogue.add("twice", RuntimeOffer("two:B"), "runtime-two")
    return catalogue


@pytest.mark.parametrize(
    ("implementation", "module", "name"),
    [
        ("sklearn", "runtime_sklearn.runtime", "SklearnRuntime"),
        ("mlserver_sklearn.SKLearnModel", "runtime_sklearn.runtime", "SklearnRuntime"),
        ("runtime-sklearn#sklearn", "runtime_sklearn.runtime", "SklearnRuntime"),
        ("Runtime_Sklearn#sklearn", "runtime_sklearn.runtime", "SklearnRuntime"),
        ("runtime-two#twice", "two", "B"),
        ("my_model.MyModel", "my_model", "MyModel"),
        ("my_model:MyModel", "my_model", "MyModel"),
        ("package.inner.MyModel", "package.inner", "MyModel"),
        ("package.inner:Outer.Inner", "package.inner", "Outer.Inner"),
        ("my-model.MyModel", "my-model", "MyModel"),
    ],
)
def test_the_syntax_decides_what_is_meant(runtimes, implementation, module, name):
    target = resolve(implementation, runtimes, [])

    assert (target.module, target.name, target.file, target.given) == (module, name, None, None)


def test_a_class_stands_for_itself(runtimes):
    assert resolve(Own, runtimes, []).given is Own


def test_a_class_that_a_plugin_offers_is_taken_as_it_is(runtimes):
    assert resolve("own", runtimes, []).given is Own


def test_a_name_that_two_distributions_offer_is_an_error_that_says_how_to_choose(runtimes):
    with pytest.raises(AmbiguousNameError) as raised:
        resolve("twice", runtimes, [])

    assert str(raised.value) == (
        "the runtime 'twice' is offered by runtime-one and runtime-two; write 'runtime-one#twice' or "
        "'runtime-two#twice', or name the other in plugins.deny"
    )


@pytest.mark.parametrize("name", ["sklern", "runtime-one#sklearn", "spacy#", "#", "nothing"])
def test_an_unknown_name_is_an_error(runtimes, name):
    with pytest.raises(UnknownNameError, match="no runtime is called"):
        resolve(name, runtimes, [])


@pytest.mark.parametrize(
    "path",
    [
        "..",
        ".",
        ":",
        ".MyModel",
        "my_model.",
        "my_model:",
        "a..B",
        "../../etc/passwd:X",
        "/etc/x.py:X",
        "a b.C",
        "a\nb.C",
        "my_model:My:Model",
    ],
)
def test_what_is_no_import_path_is_refused_before_any_file_is_looked_for(runtimes, tmp_path, path):
    with pytest.raises(UnknownNameError, match=r"is no import path; write it as 'my_model.MyModel'"):
        resolve(path, runtimes, [tmp_path])


def test_the_file_in_the_first_folder_wins(runtimes, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "my_model.py").touch()
    (tmp_path / "two/other.py").touch()
    folders = [tmp_path / "one", tmp_path / "two"]

    assert resolve("my_model.M", runtimes, folders).file == str(tmp_path / "one/my_model.py")
    assert resolve("other.M", runtimes, folders).file == str(tmp_path / "two/other.py")


def test_a_package_wins_over_a_module_of_its_name_as_in_python(runtimes, tmp_path):
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing/__init__.py").touch()
    (tmp_path / "thing.py").touch()

    assert resolve("thing.M", runtimes, [tmp_path]).file == str(tmp_path / "thing/__init__.py")
