"""The runtime keeps the contract of every runtime, with and without a model behind it."""

from __future__ import annotations

import pytest
from mlcore import ModelSettings
from mlcore.testing import RuntimeContract
from mlcore.types import InferenceRequest, RequestInput, RequestOutput, TensorData


def texts(name: str, *elements: object, datatype: str = "BYTES", shape: list[int] | None = None) -> RequestInput:
    return RequestInput(
        name=name,
        shape=[len(elements), 1] if shape is None else shape,
        datatype=datatype,  # type: ignore[arg-type]  # made a Datatype by the message
        data=TensorData(list(elements)),
    )


class TestABlankPipeline(RuntimeContract):
    runtime = "spacy"
    entry_module = "runtime_spacy.plugin"
    heavy_modules = ("thinc", "runtime_spacy.runtime")

    @pytest.fixture
    def settings(self) -> ModelSettings:
        patterns = [{"label": "CITY", "pattern": "Rome"}]
        extra = {"add_pipes": {"sentencizer": {}, "entity_ruler": {"patterns": patterns}}, "max_characters": 100}
        return ModelSettings(name="blank", implementation="spacy", parameters={"uri": "blank:en", "extra": extra})

    @pytest.fixture
    def good_request(self) -> InferenceRequest:
        return InferenceRequest(inputs=[texts("text", "Ann lives in Rome. So does Bo.", "", "Ünïcödé 🎬 in Rome")])

    @pytest.fixture
    def bad_requests(self) -> list[InferenceRequest]:
        good = texts("text", "a")
        return [
            InferenceRequest(inputs=[texts("text", 1, datatype="INT64")]),
            InferenceRequest(inputs=[texts("text", None)]),
            InferenceRequest(inputs=[texts("text", "a", "b", shape=[1, 2])]),
            InferenceRequest(inputs=[texts("text", "a", shape=[1, 1, 1])]),
            InferenceRequest(inputs=[texts("text", "a" * 101)]),
            InferenceRequest(inputs=[]),
            InferenceRequest(inputs=[good, texts("other", "a")]),
            InferenceRequest(inputs=[good], outputs=[RequestOutput(name="lemmas")]),
            InferenceRequest(inputs=[good], outputs=[RequestOutput(name="nothing")]),
        ]


class TestAPipelineWithVectors(TestABlankPipeline):
    @pytest.fixture
    def settings(self, with_vectors: str) -> ModelSettings:
        parameters = {"uri": with_vectors, "extra": {"max_characters": 100}}
        return ModelSettings(name="md", implementation="spacy", parameters=parameters)

    @pytest.fixture
    def good_request(self) -> InferenceRequest:
        outputs = "entities tokens lemmas pos tags sentences noun_chunks dependencies vector similarity doc"
        return InferenceRequest(
            inputs=[
                texts("text", "Ann Smith lives in Rome. She sings loudly.", "", "The queen bought a film for $5."),
                texts("other", "Bo lives in Paris.", "", "zzxxyyqq"),
            ],
            outputs=[RequestOutput(name=name) for name in outputs.split()],
        )

    @pytest.fixture
    def bad_requests(self) -> list[InferenceRequest]:
        good = texts("text", "a")
        return [
            InferenceRequest(inputs=[texts("text", 1, datatype="INT64")]),
            InferenceRequest(inputs=[good, texts("other", "a", "b")]),
            InferenceRequest(inputs=[good, texts("third", "a")]),
            InferenceRequest(inputs=[texts("other", "a")]),
            InferenceRequest(inputs=[good, good]),
            InferenceRequest(inputs=[good], outputs=[RequestOutput(name="similarity")]),
            InferenceRequest(inputs=[good], outputs=[RequestOutput(name="categories")]),
        ]
