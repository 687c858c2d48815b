"""Which components of a pipeline an annotation comes from, so that a call can leave out the others.

The rule is that an output never depends on what else is asked for: a component is left out only where nothing that
is asked for can depend on it, directly or through others. Annotations have the names that spaCy's own components
declare: `token.pos`, `doc.ents`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spacy.language import Language

ANYTHING = "*"
"""Stands for every annotation."""

_READS: dict[str, frozenset[str]] = {
    # Factory to the annotations of others that it reads, where that is known. Every other component always runs.
    "attribute_ruler": frozenset(),  # by its patterns
    "beam_ner": frozenset({"token.is_sent_start", "doc.ents"}),
    "beam_parser": frozenset({"token.is_sent_start"}),
    "entity_ruler": frozenset({ANYTHING}),
    "lemmatizer": frozenset({"token.morph", "token.pos", "token.tag"}),
    "morphologizer": frozenset(),
    "ner": frozenset({"token.is_sent_start", "doc.ents"}),  # entities do not cross sentences
    "parser": frozenset({"token.is_sent_start"}),
    "senter": frozenset(),
    "sentencizer": frozenset(),
    "span_ruler": frozenset({ANYTHING}),
    "tagger": frozenset(),
    "textcat": frozenset(),
    "textcat_multilabel": frozenset(),
    "tok2vec": frozenset(),
    "trainable_lemmatizer": frozenset(),
}

_NOT_LEXICAL = frozenset({"DEP", "ENT_IOB", "ENT_TYPE", "LEMMA", "MORPH", "POS", "SENT_START", "TAG"})


@dataclass(frozen=True)
class Component:
    """One component of a pipeline.

    Attributes:
        name: Its name in the pipeline.
        assigns: The annotations that it makes.
        reads: The annotations that it makes them from.
        feeds: The components that share its features.
    """

    name: str
    assigns: frozenset[str]
    reads: frozenset[str]
    feeds: frozenset[str] = frozenset()


def components_of(nlp: Language) -> list[Component]:
    """Return the active components of a pipeline, in order."""
    return [_component(nlp, name, pipe) for name, pipe in nlp.pipeline]


def assigned(components: Iterable[Component]) -> frozenset[str]:
    """Return every annotation that some component declares to make."""
    return frozenset().union(*(component.assigns for component in components)) - {ANYTHING}


def needed(components: list[Component], reads: frozenset[str]) -> frozenset[str]:
    """Return the names of the components that have to run for annotations to be there and right.

    Args:
        components: The pipeline's components, in order.
        reads: The annotations.
    """
    wanted = set(reads)
    names = set()
    for component in reversed(components):
        if ANYTHING in wanted or ANYTHING in component.assigns or wanted & component.assigns:
            names.add(component.name)
            wanted |= component.reads
    return frozenset(names).union(component.name for component in components if component.feeds & names)


def _component(nlp: Language, name: str, pipe: Any) -> Component:
    meta = nlp.get_pipe_meta(name)
    assigns = frozenset(meta.assigns)
    listeners = getattr(pipe, "listening_components", None)
    if meta.factory == "attribute_ruler":
        return Component(name, *_of_patterns(pipe.patterns))
    if meta.retokenizes or (meta.factory not in _READS and listeners is None):
        return Component(name, assigns | {ANYTHING}, frozenset({ANYTHING}))
    reads = _READS.get(meta.factory, frozenset())
    if _NOT_LEXICAL.intersection(_texts(nlp.get_pipe_config(name).get("model"))):  # features from annotations
        reads = frozenset({ANYTHING})
    return Component(name, assigns, reads, frozenset(listeners or ()))


def _of_patterns(patterns: list[dict[str, Any]]) -> tuple[frozenset[str], frozenset[str]]:
    """Return what an attribute ruler assigns and reads."""
    sets = {attribute for pattern in patterns for attribute in pattern["attrs"]}
    reads = {key for pattern in patterns for tokens in pattern["patterns"] for token in tokens for key in token}
    return _annotations(sets), _annotations(reads)


def _annotations(attributes: Iterable[Any]) -> frozenset[str]:
    special = {"_": ANYTHING, "SENT_START": "token.is_sent_start"}
    return frozenset(special.get(str(name), f"token.{str(name).lower()}") for name in attributes)


def _texts(config: Any) -> Iterator[str]:
    if isinstance(config, str):
        yield config
    elif isinstance(config, dict):
        for value in config.values():
            yield from _texts(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _texts(value)
