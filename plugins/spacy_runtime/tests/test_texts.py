"""Which requests are understood, and what is said to the others."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from mlcore.codecs import InputCodec
from mlcore.errors import InferenceError, OutputNotFoundError, UnavailableError
from mlcore.types import InferenceRequest, Parameters, RequestInput, TensorData
from runtime_spacy.runtime import SpacyRuntime

if TYPE_CHECKING:
    from collections.abc import Callable


def words(asked: Any, *inputs: RequestInput) -> list[list[str]]:
    response = asked.model.predict(InferenceRequest(inputs=list(inputs)))
    (tokens,) = [output for output in response.outputs if output.name == "tokens"]
    return [[token["text"] for token in json.loads(element)] for element in tokens.data.values]


def tensor(elements: Any, name: str = "text", shape: list[int] | None = None, **options: Any) -> RequestInput:
    shape = [len(elements)] if shape is None else shape
    return RequestInput(name=name, shape=shape, data=TensorData(elements), **{"datatype": "BYTES", **options})


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_texts_stand_in_one_or_two_dimensions(blank: Any, shape: list[int]) -> None:
    assert words(blank, tensor(["a b", ""], shape=shape)) == [["a", "b"], []]


def test_texts_may_be_bytes(blank: Any) -> None:
    assert words(blank, tensor(["Ü b".encode()])) == [["Ü", "b"]]


def test_a_single_input_may_have_any_name(blank: Any) -> None:
    assert words(blank, tensor(["a b"], name="docs")) == [["a", "b"]]


def test_the_content_type_of_an_input_is_respected(blank: Any) -> None:
    encoded = base64.b64encode("Ü b".encode())

    assert words(blank, tensor([encoded], parameters=Parameters(content_type="base64"))) == [["Ü", "b"]]
    assert words(blank, tensor(["a b"], parameters=Parameters(content_type="np"))) == [["a", "b"]]


def test_a_content_type_that_gives_no_texts_is_refused(blank: Any) -> None:
    class WholeCodec(InputCodec):
        ContentType = "whole"

        @classmethod
        def read(cls, tensor: Any) -> Any:
            return {}

    blank.model.codecs.add("whole", [WholeCodec], "test")

    with pytest.raises(InferenceError, match="input 'text': its content type does not give texts; use"):
        words(blank, tensor(["a b"], parameters=Parameters(content_type="whole")))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (tensor(np.array([1.0]), datatype="FP32"), "input 'text': expected texts of datatype BYTES, got FP32"),
        (tensor(["a", "b"], shape=[1, 2]), r"input 'text': expected the shape \[N\] or \[N, 1\], got \[1, 2\]"),
        (tensor(["a"], shape=[]), r"input 'text': expected the shape \[N\] or \[N, 1\], got \[\]"),
        (tensor(["a"], shape=[3]), r"input 'text': its shape \[3\] does not fit its 1 texts"),
        (tensor(["a", None]), r"'text'.data\[1\]: expected a text, got null"),
        (tensor(["a", b"\xff"]), r"'text'.data\[1\]: not UTF-8"),
        (tensor(["a", "\ud800"]), r"'text'.data\[1\]: not UTF-8"),
        (tensor(["2024-01-01"], parameters=Parameters(content_type="datetime")), "expected a text, got a datetime"),
    ],
)
def test_what_is_no_text_is_refused_with_the_name_of_its_input(blank: Any, wrong: RequestInput, message: str) -> None:
    with pytest.raises(InferenceError, match=message):
        words(blank, wrong)


def test_inputs_of_other_names_are_refused(md: Any) -> None:
    message = "inputs: expected 'text', and 'other' for similarity; got "

    with pytest.raises(InferenceError, match=f"{message}none"):
        words(md)
    with pytest.raises(InferenceError, match=f"{message}'text', 'context'"):
        words(md, tensor(["a"]), tensor(["a"], name="context"))
    with pytest.raises(InferenceError, match=f"{message}'text', 'text'"):
        words(md, tensor(["a"]), tensor(["a"]))


def test_a_text_that_is_too_long_is_refused(load: Callable[..., Any]) -> None:
    asked = load("blank:en", max_characters=5)

    assert words(asked, tensor(["abcde"])) == [["abcde"]]
    with pytest.raises(InferenceError, match=r"'text'.data\[1\]: 6 characters are more than the 5 that this model"):
        words(asked, tensor(["a", "abcdef"]))


def test_the_limit_of_the_pipeline_holds_where_none_is_set(blank: Any) -> None:
    with pytest.raises(InferenceError, match="1000001 characters are more than the 1000000"):
        words(blank, tensor(["a" * 1_000_001]))


def test_an_output_that_the_pipeline_lacks_is_refused_with_those_it_has(blank: Any) -> None:
    with pytest.raises(OutputNotFoundError) as refused:
        blank("a", outputs=("lemmas",))

    assert str(refused.value) == (
        "outputs: 'lemmas' needs a lemmatizer, which this pipeline does not have; "
        "it can give 'entities', 'tokens', 'sentences', 'doc'"
    )


def test_an_unknown_output_is_refused_with_the_nearest_one(blank: Any) -> None:
    with pytest.raises(OutputNotFoundError, match="'entitys' is not an output of this model; did you mean 'entities'"):
        blank("a", outputs=("entitys",))


def test_a_model_that_is_not_loaded_says_so(blank: Any) -> None:
    blank.model.unload()

    with pytest.raises(UnavailableError, match="the model 'nlp' is not loaded"):
        blank("a")
    with pytest.raises(UnavailableError):
        SpacyRuntime(blank.model.settings).predict(InferenceRequest(inputs=[tensor(["a"])]))
