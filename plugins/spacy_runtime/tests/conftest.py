"""Fixtures: a loaded runtime, a way to ask it, and the pipeline with word vectors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from mlcore import ModelSettings
from mlcore.types import InferenceRequest, RequestInput, RequestOutput, TensorData
from runtime_spacy.runtime import SpacyRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from spacy.language import Language

WITH_VECTORS = "en_core_web_md"


@pytest.fixture(autouse=True)
def _in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the models of servers in the tests' own process, unless a test says otherwise."""
    monkeypatch.setenv("MLCORE_PARALLEL_WORKERS", "0")


class Asked:
    """A loaded runtime, asked with Python objects."""

    def __init__(self, model: SpacyRuntime) -> None:
        self.model = model

    def __call__(self, *texts: Any, outputs: tuple[str, ...] = (), others: list[Any] | None = None) -> dict[str, Any]:
        """Return output name to its values, JSON outputs as objects."""
        inputs = [tensor("text", list(texts))]
        if others is not None:
            inputs.append(tensor("other", others))
        wanted = [RequestOutput(name=name) for name in outputs] or None
        response = self.model.predict(InferenceRequest(inputs=inputs, outputs=wanted))
        return {
            output.name: output.data.values
            if output.datatype != "BYTES"
            else [json.loads(element) for element in output.data.values]
            for output in response.outputs
        }


def tensor(name: str, elements: list[Any], datatype: Any = "BYTES", shape: list[int] | None = None) -> RequestInput:
    shape = [len(elements), 1] if shape is None else shape
    return RequestInput(name=name, shape=shape, datatype=datatype, data=TensorData(elements))


def settings(uri: str | None, folder: Path | None = None, **extra: Any) -> ModelSettings:
    made = ModelSettings(name="nlp", implementation="spacy", parameters={"uri": uri, "extra": extra})
    return made if folder is None else made.located(folder)


@pytest.fixture(scope="session")
def load() -> Callable[..., Asked]:
    """Return a function that loads a pipeline: `load("blank:en", add_pipes=...)`."""

    def load(uri: str | None, folder: Path | None = None, **extra: Any) -> Asked:
        model = SpacyRuntime(settings(uri, folder, **extra))
        model.load()
        return Asked(model)

    return load


@pytest.fixture(scope="session")
def with_vectors() -> str:
    """Return the name of the pipeline with word vectors, which has to be installed."""
    from importlib.util import find_spec

    assert find_spec(WITH_VECTORS), f"{WITH_VECTORS} is not installed; run scripts/fetch_spacy_model.py"
    return WITH_VECTORS


@pytest.fixture(scope="session")
def md(load: Callable[..., Asked], with_vectors: str) -> Iterator[Asked]:
    """Return the pipeline with word vectors, loaded once."""
    asked = load(with_vectors)
    yield asked
    asked.model.unload()


@pytest.fixture(scope="session")
def spacy_md(with_vectors: str) -> Language:
    """Return the same pipeline as spaCy's users have it, to compare with."""
    import spacy

    return spacy.load(with_vectors)


@pytest.fixture
def blank(load: Callable[..., Asked]) -> Asked:
    """Return a small pipeline without a model: sentences, and two entities."""
    patterns = [{"label": "CITY", "pattern": "Rome", "id": "rome"}, {"label": "CITY", "pattern": "New York"}]
    return load("blank:en", add_pipes={"sentencizer": {}, "entity_ruler": {"patterns": patterns}})


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a stored pipeline that classifies texts."""
    import spacy
    from spacy.training import Example

    nlp = spacy.blank("en")
    nlp.add_pipe("textcat")
    annotations = {"good film": {"GOOD": 1.0, "BAD": 0.0}, "bad film": {"GOOD": 0.0, "BAD": 1.0}}
    examples = [Example.from_dict(nlp.make_doc(text), {"cats": cats}) for text, cats in annotations.items()]
    nlp.initialize(lambda: examples)
    folder = tmp_path_factory.mktemp("models") / "classifier"
    nlp.to_disk(folder)
    return folder
