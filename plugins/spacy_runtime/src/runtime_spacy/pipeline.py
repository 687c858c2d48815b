"""A loaded pipeline: texts to the values of the outputs that are asked for, and no more work than they need."""

from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING, Any

from mlcore.errors import ModelLoadError, OutputNotFoundError

from runtime_spacy.components import assigned, components_of, needed
from runtime_spacy.options import nearest
from runtime_spacy.outputs import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlcore.types import MetadataTensor, ResponseOutput
    from spacy.language import Language
    from spacy.tokens import Doc

    from runtime_spacy.options import Options

_PROBES = ["Ann lives in Rome. She sings.", ""]
_MAX_CACHED_WORDS = 100_000


class Pipeline:
    """A spaCy pipeline that several threads may call, one at a time.

    Args:
        nlp: The pipeline; nobody else may use it.
        options: The runtime's settings.

    Attributes:
        max_characters: The longest text that it takes.

    Raises:
        ModelLoadError: The settings ask for an output that it cannot give, or it fails on any text.
    """

    def __init__(self, nlp: Language, options: Options) -> None:
        self._nlp = nlp
        self._batch_size = options.batch_size
        self.max_characters = options.max_characters or nlp.max_length
        self._turn = threading.Lock()  # memory zones do not nest, and two threads are slower than one
        caches = [getattr(pipe, "cache", None) for _, pipe in nlp.pipeline]
        self._caches = [cache for cache in caches if isinstance(cache, dict)]  # lemmatizers keep every word they see
        components = components_of(nlp)
        made = assigned(components)
        self._names = frozenset(component.name for component in components)
        self._offered = {name: output for name, output in OUTPUTS.items() if output.is_offered(nlp, made)}
        self._needed = {name: needed(components, output.reads) for name, output in self._offered.items()}
        self._forms = {name: (output.form, output.form.width(nlp)) for name, output in self._offered.items()}
        self._default = self._defaults(options.outputs)
        self._probe()

    @property
    def compares(self) -> bool:
        """Whether it can compare two texts."""
        return any(output.compares for output in self._offered.values())

    def declared(self) -> list[MetadataTensor]:
        """Return every output that it can give, as metadata says it."""
        return [output.form.declared(name, self._nlp) for name, output in self._offered.items()]

    def wanted(self, asked: Iterable[str], has_others: bool) -> list[str]:
        """Return the names of the outputs that a request is answered with.

        Args:
            asked: The names that it asks for; none for the default.
            has_others: Whether it has texts to compare with.

        Raises:
            OutputNotFoundError: The pipeline cannot give an output.
        """
        names = list(dict.fromkeys(asked))
        if not names:
            comparing = [name for name, output in self._offered.items() if output.compares and has_others]
            return list(dict.fromkeys([*self._default, *comparing]))
        for name in names:
            if name not in self._offered:
                raise OutputNotFoundError(f"outputs: {self._not_offered(name)}")
        return names

    def comparing(self, names: Iterable[str]) -> list[str]:
        """Return those of the outputs that need a text to compare with."""
        return [name for name in names if self._offered[name].compares]

    def outputs(self, texts: list[str], others: list[str] | None, names: list[str]) -> list[ResponseOutput]:
        """Compute outputs.

        Args:
            texts: The texts.
            others: As many texts to compare them with, where an output needs that.
            names: The outputs.

        Raises:
            MLCoreError: The pipeline fails on a text.
        """
        columns: dict[str, list[Any]] = {}
        failure: Exception | None = None
        with self._turn, self._nlp.memory_zone():
            try:
                columns = self._columns(texts, others, names)
            except Exception as error:  # a component may raise anything
                # spaCy up to 3.8.11 does not close a zone that an error comes out of, so it waits until the end.
                failure = _without_locals(error)
        for cache in self._caches:
            if len(cache) > _MAX_CACHED_WORDS:
                cache.clear()
        if failure is not None:
            raise failure
        tensors = []
        for name in names:
            form, width = self._forms[name]
            tensors.append(form.write(name, columns[name], width))
        return tensors

    def _columns(self, texts: list[str], others: list[str] | None, names: list[str]) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {name: [] for name in names}
        filled = [(columns[name], self._offered[name].value) for name in names]
        for doc, other in zip(self._docs(texts, names), self._others(texts, others, names), strict=True):
            for column, value in filled:
                column.append(value(doc, other))
        return columns

    def _docs(self, texts: list[str], names: Iterable[str]) -> Iterator[Doc]:
        left_out = self._names.difference(*(self._needed[name] for name in names))
        return self._nlp.pipe(texts, batch_size=self._batch_size, disable=left_out)

    def _others(self, texts: list[str], others: list[str] | None, names: list[str]) -> Iterable[Doc | None]:
        comparing = self.comparing(names)
        return [None] * len(texts) if others is None or not comparing else self._docs(others, comparing)

    def _defaults(self, chosen: list[str] | None) -> list[str]:
        if chosen is None:
            return [name for name, output in self._offered.items() if output.is_default]
        for name in chosen:
            if name not in self._offered:
                raise ModelLoadError(f"parameters.extra.outputs: {self._not_offered(name)}")
        return chosen

    def _not_offered(self, name: str) -> str:
        given = ", ".join(f"'{each}'" for each in self._offered)
        if name in OUTPUTS:
            return f"'{name}' needs {OUTPUTS[name].source}, which this pipeline does not have; it can give {given}"
        return f"'{name[:64]}' is not an output of this model; {nearest(name[:64], self._offered)}"

    def _probe(self) -> None:
        """Compute every output once: what cannot work fails at load, and the first request is not the slowest."""
        try:
            self.outputs(_PROBES, _PROBES, list(self._offered))
        except Exception as error:  # a component may raise anything
            raise ModelLoadError(f"the pipeline cannot process a text: {' '.join(str(error).split())}") from error


def _without_locals(error: Exception) -> Exception:
    """Return the error without the local variables of its frames: documents must not outlive their memory zone."""
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
    return error
