"""The catalogue: names, and what is said of those that it does not have."""

import pytest
from mlcore.catalogue import Catalogue
from mlcore.errors import AmbiguousNameError, UnknownNameError


@pytest.fixture
def catalogue():
    catalogue = Catalogue("runtime", list)
    catalogue.add("spacy", 1, "runtime-spacy")
    catalogue.add("sklearn", 2, "runtime-sklearn")
    catalogue.add("mlserver_sklearn.SKLearnModel", 2, "runtime-sklearn")
    catalogue.add("twice", 3, "runtime-a")
    catalogue.add("twice", 4, "runtime-b")
    return catalogue


def unknown(catalogue, name):
    with pytest.raises(UnknownNameError) as raised:
        catalogue.get(name)
    return str(raised.value)


def test_a_name_is_found_with_or_without_its_distribution(catalogue):
    assert catalogue.get("spacy") == ("spacy", 1, "runtime-spacy")
    assert catalogue.get("Runtime_Spacy#spacy").value == 1
    assert catalogue.get("runtime-b#twice").value == 4
    assert "spacy" in catalogue
    assert "runtime-spacy#spacy" not in catalogue
    assert len(list(catalogue)) == 5


def test_an_unknown_name_comes_with_the_nearest_the_known_and_what_may_be_installable(catalogue):
    assert unknown(catalogue, "spacey") == (
        "no runtime is called 'spacey'; did you mean 'spacy'? Installed: 'sklearn' (runtime-sklearn), "
        "'spacy' (runtime-spacy), 'twice' (runtime-a, runtime-b). A plugin for it may be installable as runtime-spacey."
    )


def test_a_name_of_another_distribution_says_who_offers_it(catalogue):
    assert unknown(catalogue, "runtime-x#twice").startswith(
        "no runtime is called 'runtime-x#twice': runtime-x does not offer it. "
        "There is 'runtime-a#twice', 'runtime-b#twice'. "
    )


def test_a_qualified_name_that_nobody_offers_finds_its_nearest(catalogue):
    assert "did you mean 'spacy'?" in unknown(catalogue, "runtime-spacy#spcy")


def test_long_names_are_cut(catalogue):
    assert len(unknown(catalogue, "x" * 5000)) < 400


def test_an_empty_catalogue_says_so():
    assert unknown(Catalogue("engine", list), "inline") == "no engine is called 'inline'. Installed: none."


def test_one_distribution_that_offers_a_name_twice_is_ambiguous_as_well(catalogue):
    catalogue.add("spacy", 5, "runtime-spacy")

    with pytest.raises(AmbiguousNameError, match=r"write 'runtime-spacy#spacy', or name the other in plugins.deny"):
        catalogue.get("spacy")
