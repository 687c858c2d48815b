"""`similarity` is what `doc1.similarity(doc2)` says, without its warnings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies
from mlcore.errors import InferenceError

PAIRS = [
    ("A ship in deep space finds a monster.", "The crew of a spaceship meets a deadly creature."),
    ("A ship in deep space finds a monster.", "Two people fall in love in Paris."),
    ("king", "queen"),
    ("the same", "the same"),
    ("zzxxyyqq", "qqyyxxzz"),
    ("zzxxyyqq", "zzxxyyqq"),
    ("", ""),
    ("", "a film"),
]


def of_spacy(nlp: Any, text: str, other: str) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(nlp(text).similarity(nlp(other)))


def test_it_equals_that_of_spacy(md: Any, spacy_md: Any) -> None:
    texts, others = zip(*PAIRS, strict=True)

    answered = md(*texts, others=list(others), outputs=("similarity",))["similarity"]

    assert answered.dtype == np.float64
    assert answered.shape == (len(PAIRS), 1)
    assert answered[:, 0] == pytest.approx([of_spacy(spacy_md, *pair) for pair in PAIRS], abs=1e-9)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=strategies.text(max_size=30), other=strategies.text(max_size=30))
def test_it_equals_that_of_spacy_for_any_texts(md: Any, spacy_md: Any, text: str, other: str) -> None:
    try:
        text.encode(), other.encode()
    except UnicodeEncodeError:
        with pytest.raises(InferenceError, match="UTF-8"):
            md(text, others=[other], outputs=("similarity",))
        return

    answered = md(text, others=[other], outputs=("similarity",))["similarity"][0, 0]

    assert answered == pytest.approx(of_spacy(spacy_md, text, other), abs=1e-9)


def test_alike_stories_are_nearer_than_others(md: Any) -> None:
    story = PAIRS[0][0]

    alike, other = md(story, story, others=[PAIRS[0][1], PAIRS[1][1]], outputs=("similarity",))["similarity"][:, 0]

    assert alike > other


def test_it_is_answered_by_default_where_there_are_two_texts(md: Any) -> None:
    assert "similarity" not in md("a")
    assert "similarity" in md("a", others=["b"])


def test_both_sides_need_as_many_texts(md: Any) -> None:
    with pytest.raises(InferenceError, match="'other' has 2 texts and 'text' has 1"):
        md("a", others=["a", "b"])


def test_it_needs_the_other_text(md: Any) -> None:
    with pytest.raises(InferenceError, match="inputs: 'other' is missing; the output 'similarity'"):
        md("a", outputs=("similarity",))


def test_a_pipeline_without_vectors_cannot_compare(blank: Any) -> None:
    with pytest.raises(InferenceError, match="'similarity' needs word vectors, which this pipeline does not have"):
        blank("a", outputs=("similarity",))
    with pytest.raises(InferenceError, match="inputs: expected 'text'; got 'text', 'other'"):
        blank("a", others=["b"])
