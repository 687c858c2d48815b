"""Which components run for an output: those that it can depend on, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from runtime_spacy.components import assigned, components_of, needed
from runtime_spacy.outputs import OUTPUTS


def needs(nlp: Any, output: str) -> set[str]:
    return set(needed(components_of(nlp), OUTPUTS[output].reads))


@pytest.mark.parametrize(
    ("output", "components"),
    [
        ("tokens", set()),
        ("vector", set()),
        ("similarity", set()),
        ("entities", {"tok2vec", "parser", "tagger", "attribute_ruler", "ner"}),
    ],
)
def test_what_an_output_does_not_depend_on_is_left_out(spacy_md: Any, output: str, components: set[str]) -> None:
    assert needs(spacy_md, output) <= components


def test_entities_depend_on_sentences_which_they_do_not_cross(spacy_md: Any) -> None:
    assert {"parser", "tok2vec", "ner"} <= needs(spacy_md, "entities")


def test_lemmas_depend_on_parts_of_speech(spacy_md: Any) -> None:
    assert needs(spacy_md, "lemmas") == {"tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer"}


def test_doc_depends_on_everything(spacy_md: Any) -> None:
    assert needs(spacy_md, "doc") - {"tok2vec"} == set(spacy_md.pipe_names) - {"tok2vec"}


def test_a_component_of_the_users_always_runs(nlp_with_own_component: Any) -> None:
    for output in ("tokens", "entities"):
        assert "sentencizer" in needs(nlp_with_own_component, output)
        assert "own_cities" in needs(nlp_with_own_component, output)


def test_a_component_of_the_users_offers_what_it_declares(nlp_with_own_component: Any) -> None:
    assert "doc.ents" in assigned(components_of(nlp_with_own_component))


def test_a_model_that_looks_at_annotations_depends_on_all_of_them() -> None:
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    embed = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 8, "attrs": ["NORM", "POS"], "rows": [8, 8]}
    encode = {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 8, "window_size": 1, "maxout_pieces": 2}
    tok2vec = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {**embed, "include_static_vectors": False},
        "encode": {**encode, "depth": 1},
    }
    nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}})

    assert needs(nlp, "tags") == {"sentencizer", "tagger"}


@pytest.fixture
def nlp_with_own_component() -> Any:
    import spacy
    from spacy.language import Language

    @Language.component("own_cities", assigns=["doc.ents"])
    def own_cities(doc: Any) -> Any:
        doc.set_ents([])
        return doc

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("own_cities")
    return nlp
