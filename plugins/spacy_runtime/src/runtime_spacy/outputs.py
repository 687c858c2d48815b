"""The outputs of the runtime, one table. To add one is to add an entry.

Shapes:
    N texts, D dimensions of the pipeline's word vectors. Every JSON output is (N, 1), one document per text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from mlcore.codecs import NumpyCodec, StringCodec
from mlcore.types import Datatype, MetadataTensor, Parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcore.types import ResponseOutput
    from spacy.language import Language
    from spacy.tokens import Doc, Span

    Value = Callable[[Doc, Doc | None], Any]


@dataclass(frozen=True)
class Form:
    """How an output's values become a tensor.

    Attributes:
        datatype: The tensor's datatype.
        content_type: The codec with which a client reads it.
        width: The size of the second dimension.
        write: Turns name, values and width into the tensor.
    """

    datatype: Datatype
    content_type: str
    width: Callable[[Language], int]
    write: Callable[[str, list[Any], int], ResponseOutput]

    def declared(self, name: str, nlp: Language) -> MetadataTensor:
        """Return the tensor as metadata says it."""
        parameters = Parameters(content_type=self.content_type)
        return MetadataTensor(
            name=name, datatype=self.datatype.value, shape=[-1, self.width(nlp)], parameters=parameters
        )


@dataclass(frozen=True)
class Output:
    """One thing that a client may ask for.

    Attributes:
        value: Computes it from a text's document, and the other text's document where there is one.
        reads: The annotations that it is computed from; `*` is all.
        is_offered: Says whether a pipeline can give it, from the pipeline and the annotations that it makes.
        source: What a pipeline needs for it, for the error where it lacks that.
        form: The tensor that it becomes.
        is_default: Whether a request that asks for no outputs gets it.
        compares: Whether it needs the other text.
    """

    value: Value
    reads: frozenset[str]
    is_offered: Callable[[Language, frozenset[str]], bool]
    source: str
    form: Form
    is_default: bool = True
    compares: bool = False


# The hook is for numbers of numpy, which components may leave in a document.
_JSON_ENCODER = msgspec.json.Encoder(enc_hook=lambda number: number.item())


def _written_json(name: str, values: list[Any], width: int) -> ResponseOutput:
    return StringCodec.encode_output(name, [_JSON_ENCODER.encode(value) for value in values])


def _written_numbers(dtype: type[np.floating[Any]]) -> Callable[[str, list[Any], int], ResponseOutput]:
    def write(name: str, values: list[Any], width: int) -> ResponseOutput:
        return NumpyCodec.encode_output(name, np.array(values, dtype).reshape(len(values), width))

    return write


JSON = Form(Datatype.BYTES, StringCodec.ContentType, lambda nlp: 1, _written_json)
VECTOR = Form(Datatype.FP32, NumpyCodec.ContentType, lambda nlp: nlp.vocab.vectors_length, _written_numbers(np.float32))
NUMBER = Form(Datatype.FP64, NumpyCodec.ContentType, lambda nlp: 1, _written_numbers(np.float64))


def _always(nlp: Language, made: frozenset[str]) -> bool:
    return True


def _makes(*annotations: str) -> Callable[[Language, frozenset[str]], bool]:
    return lambda nlp, made: made.issuperset(annotations)


def _has_chunks(nlp: Language, made: frozenset[str]) -> bool:
    return nlp.vocab.get_noun_chunks is not None and made.issuperset(("token.dep", "token.pos"))


def _has_vectors(nlp: Language, made: frozenset[str]) -> bool:
    # Not nlp.vocab.has_vector, nor doc.has_vector: those are true of pipelines that have only features.
    return all(nlp.vocab.vectors.shape)


def _tokens(doc: Doc, other: Doc | None) -> list[Any]:
    return [{"text": token.text, "start": token.idx, "end": token.idx + len(token)} for token in doc]


def _lemmas(doc: Doc, other: Doc | None) -> list[str]:
    return [token.lemma_ for token in doc]


def _pos(doc: Doc, other: Doc | None) -> list[str]:
    return [token.pos_ for token in doc]


def _tags(doc: Doc, other: Doc | None) -> list[str]:
    return [token.tag_ for token in doc]


def _dependencies(doc: Doc, other: Doc | None) -> list[Any]:
    return [{"label": token.dep_, "head": token.head.i} for token in doc]


def _place(span: Span) -> dict[str, Any]:
    return {"text": span.text, "start": span.start_char, "end": span.end_char}


def _entities(doc: Doc, other: Doc | None) -> list[Any]:
    entities = []
    for span in doc.ents:
        entity = {**_place(span), "label": span.label_}
        if span.ent_id_:
            entity["id"] = span.ent_id_
        if span.kb_id_:
            entity["kb_id"] = span.kb_id_
        entities.append(entity)
    return entities


def _sentences(doc: Doc, other: Doc | None) -> list[Any]:
    return [_place(sentence) for sentence in doc.sents]


def _noun_chunks(doc: Doc, other: Doc | None) -> list[Any]:
    return [{**_place(chunk), "root": chunk.root.text} for chunk in doc.noun_chunks]


def _categories(doc: Doc, other: Doc | None) -> dict[str, float]:
    return dict(doc.cats)


def _doc(doc: Doc, other: Doc | None) -> dict[str, Any]:
    return doc.to_json()


def _vector(doc: Doc, other: Doc | None) -> Any:
    return doc.vector


def _similarity(doc: Doc, other: Doc | None) -> float:
    assert other is not None  # an output that compares is computed with the other text only
    if "similarity" in doc.user_hooks or (doc.vector_norm and other.vector_norm):
        return doc.similarity(other)
    # What doc.similarity answers for texts without a known word, less its warning on every call.
    key = getattr(doc.vocab.vectors, "attr", "ORTH")
    return float(np.array_equal(doc.to_array(key), other.to_array(key)))


_ENTITIES = frozenset({"doc.ents", "token.ent_id", "token.ent_iob", "token.ent_kb_id", "token.ent_type"})
_SENTENCES = frozenset({"doc.sents", "token.is_sent_start"})
_SYNTAX = frozenset({"token.dep", "token.head"})
_EVERYTHING = frozenset({"*"})
_WORDS: frozenset[str] = frozenset()

OUTPUTS: dict[str, Output] = {
    "entities": Output(_entities, _ENTITIES, _makes("doc.ents"), "an ner or entity_ruler", JSON),
    "tokens": Output(_tokens, _WORDS, _always, "", JSON),
    "lemmas": Output(_lemmas, frozenset({"token.lemma"}), _makes("token.lemma"), "a lemmatizer", JSON),
    "pos": Output(_pos, frozenset({"token.pos"}), _makes("token.pos"), "a morphologizer or attribute_ruler", JSON),
    "tags": Output(_tags, frozenset({"token.tag"}), _makes("token.tag"), "a tagger", JSON),
    "sentences": Output(_sentences, _SENTENCES, _makes("token.is_sent_start"), "a parser, senter or sentencizer", JSON),
    "noun_chunks": Output(
        _noun_chunks,
        _SYNTAX | {"token.pos"},
        _has_chunks,
        "a parser and a tagger, in a language with noun chunks",
        JSON,
    ),
    "dependencies": Output(_dependencies, _SYNTAX, _makes("token.dep"), "a parser", JSON),
    "categories": Output(_categories, frozenset({"doc.cats"}), _makes("doc.cats"), "a textcat", JSON),
    "vector": Output(_vector, _WORDS, _has_vectors, "word vectors", VECTOR, is_default=False),
    "similarity": Output(_similarity, _WORDS, _has_vectors, "word vectors", NUMBER, is_default=False, compares=True),
    "doc": Output(_doc, _EVERYTHING, _always, "", JSON, is_default=False),
}
