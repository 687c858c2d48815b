"""What each output says, compared with what spaCy says of the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from runtime_spacy.outputs import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = "Ann Smith bought the old house in Rome for $5 million. Her children live there now, she says."
TEXTS = [TEXT, "", "  ", "The film's director 🎬 didn't like New York", "a\nb\tc", "¿Ünïcödé?", "x" * 300]


def test_entities_have_text_place_and_label(blank: Any) -> None:
    assert blank("I like New York and Rome.", outputs=("entities",))["entities"] == [
        [
            {"text": "New York", "start": 7, "end": 15, "label": "CITY"},
            {"text": "Rome", "start": 20, "end": 24, "label": "CITY", "id": "rome"},
        ]
    ]


def test_entities_have_the_ids_that_a_component_gives_them(load: Callable[..., Any]) -> None:
    from spacy.language import Language
    from spacy.tokens import Span

    @Language.component("linked", assigns=["doc.ents"])
    def linked(doc: Any) -> Any:
        doc.set_ents([Span(doc, 0, 1, "CITY", kb_id="Q220")] if len(doc) else [])
        return doc

    asked = load("blank:en", add_pipes={"linked": {}})

    assert asked("Rome", outputs=("entities",))["entities"] == [
        [{"text": "Rome", "start": 0, "end": 4, "label": "CITY", "kb_id": "Q220"}]
    ]


def test_places_count_characters_not_bytes(blank: Any) -> None:
    text = "Ü🎬 Rome"

    (entity,) = blank(text)["entities"][0]

    assert text[entity["start"] : entity["end"]] == "Rome"


def test_entities_are_those_of_spacy(md: Any, spacy_md: Any) -> None:
    expected = [[(span.text, span.start_char, span.label_) for span in spacy_md(text).ents] for text in TEXTS]

    answered = md(*TEXTS, outputs=("entities",))["entities"]

    assert [[(each["text"], each["start"], each["label"]) for each in entities] for entities in answered] == expected
    assert ("Ann Smith", 0, "PERSON") in expected[0]


@pytest.mark.parametrize(("output", "attribute"), [("lemmas", "lemma_"), ("pos", "pos_"), ("tags", "tag_")])
def test_words_are_described_as_spacy_does(md: Any, spacy_md: Any, output: str, attribute: str) -> None:
    expected = [[getattr(token, attribute) for token in spacy_md(text)] for text in TEXTS]

    assert md(*TEXTS, outputs=(output,))[output] == expected


def test_tokens_cover_the_text(md: Any) -> None:
    for token in md(TEXT, outputs=("tokens",))["tokens"][0]:
        assert TEXT[token["start"] : token["end"]] == token["text"]


def test_sentences_are_those_of_spacy(md: Any, spacy_md: Any) -> None:
    expected = [[sentence.text for sentence in spacy_md(text).sents] for text in TEXTS]

    assert [[each["text"] for each in found] for found in md(*TEXTS, outputs=("sentences",))["sentences"]] == expected


def test_noun_chunks_are_those_of_spacy(md: Any, spacy_md: Any) -> None:
    expected = [[(chunk.text, chunk.root.text) for chunk in spacy_md(text).noun_chunks] for text in TEXTS]

    answered = md(*TEXTS, outputs=("noun_chunks",))["noun_chunks"]

    assert [[(each["text"], each["root"]) for each in chunks] for chunks in answered] == expected
    assert ("the old house", "house") in expected[0]


def test_dependencies_name_the_index_of_the_head(md: Any, spacy_md: Any) -> None:
    expected = [{"label": token.dep_, "head": token.head.i} for token in spacy_md(TEXT)]

    assert md(TEXT, outputs=("dependencies",))["dependencies"] == [expected]


def test_doc_is_all_that_spacy_says(md: Any, spacy_md: Any) -> None:
    assert md(*TEXTS, outputs=("doc",))["doc"] == [spacy_md(text).to_json() for text in TEXTS]


def test_categories_have_a_score_each(load: Callable[..., Any], classifier: Path) -> None:
    asked = load(str(classifier))

    (scores,) = asked("good film", outputs=("categories",))["categories"]

    assert set(scores) == {"GOOD", "BAD"}
    assert sum(scores.values()) == pytest.approx(1)


def test_vectors_are_those_of_spacy(md: Any, spacy_md: Any) -> None:
    vectors = md(*TEXTS, outputs=("vector",))["vector"]

    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), 300)
    np.testing.assert_array_equal(vectors, [spacy_md(text).vector for text in TEXTS])


def test_a_pipeline_without_vectors_does_not_offer_them(blank: Any) -> None:
    offered = {tensor.name for tensor in blank.model.outputs}

    assert offered == {"entities", "tokens", "sentences", "doc"}
    assert [tensor.name for tensor in blank.model.inputs] == ["text"]


@pytest.mark.parametrize("output", [name for name in OUTPUTS if name != "categories"])
def test_an_output_does_not_depend_on_what_else_is_asked(md: Any, output: str) -> None:
    everything = tuple(tensor.name for tensor in md.model.outputs)
    alone = md(*TEXTS, outputs=(output,), others=TEXTS[::-1])
    together = md(*TEXTS, outputs=everything, others=TEXTS[::-1])

    assert list(alone) == [output]
    assert np.array(alone[output], object).tolist() == np.array(together[output], object).tolist()


def test_a_pipeline_answers_by_default_with_every_annotation(md: Any, blank: Any) -> None:
    assert list(blank("a")) == ["entities", "tokens", "sentences"]
    assert list(md("a")) == [
        *("entities", "tokens", "lemmas", "pos", "tags", "sentences", "noun_chunks", "dependencies"),
    ]


def test_a_blank_pipeline_answers_with_tokens(load: Callable[..., Any]) -> None:
    assert load("blank:xx")("ein Wort") == {
        "tokens": [[{"text": "ein", "start": 0, "end": 3}, {"text": "Wort", "start": 4, "end": 8}]]
    }


def test_no_texts_have_empty_outputs(md: Any) -> None:
    answered = md(outputs=("entities", "vector", "similarity"), others=[])

    assert answered["entities"] == []
    assert answered["vector"].shape == (0, 300)
    assert answered["similarity"].shape == (0, 1)
