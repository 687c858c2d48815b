"""The runtime behind a server: bytes in, bytes out, for a long time."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from mlcore import ModelSettings, Server
from mlcore.engine import Call
from mlcore.errors import InferenceError, MLCoreError
from mlcore.testing import response_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ADD = {"sentencizer": {}, "entity_ruler": {"patterns": [{"label": "CITY", "pattern": "Rome"}]}}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    parameters = {"uri": "blank:en", "extra": {"add_pipes": ADD}}
    models = [
        ModelSettings(name="small", implementation="spacy", parameters=parameters),
        ModelSettings(name="broken", implementation="spacy", parameters={"uri": "en_core_web_xx"}),
    ]
    async with Server(models=models, transports=[]) as server:
        yield server


async def ask(server: Server, body: bytes | dict[str, Any]) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return response_of(await server.dispatcher.infer(Call("small", None, "application/json", content)))


async def test_it_answers_what_a_client_sends(server: Server) -> None:
    text = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["In Rome."]}

    response = await ask(server, {"id": "7", "inputs": [text], "outputs": [{"name": "entities"}]})

    assert response.model_dump() == {
        "model_name": "small",
        "id": "7",
        "outputs": [
            {
                "name": "entities",
                "shape": [1, 1],
                "datatype": "BYTES",
                "parameters": {"content_type": "str"},
                "data": ['[{"text":"Rome","start":3,"end":7,"label":"CITY"}]'],
            }
        ],
    }


async def test_it_answers_no_texts_with_empty_outputs(server: Server) -> None:
    for shape in ([0], [0, 1]):
        text = {"name": "text", "shape": shape, "datatype": "BYTES", "data": []}

        response = await ask(server, {"inputs": [text]})

        assert [(output.name, output.shape) for output in response.outputs] == [
            *(("entities", [0, 1]), ("tokens", [0, 1]), ("sentences", [0, 1])),
        ]


async def test_text_that_is_no_unicode_is_refused(server: Server) -> None:
    with pytest.raises(InferenceError):
        await ask(server, b'{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["\\ud800"]}]}')


async def test_its_metadata_says_what_it_takes_and_gives(server: Server) -> None:
    metadata = server.control.model_metadata("small")

    assert metadata.platform == "spacy"
    assert metadata.versions[0].startswith("spacy/3.")
    assert [(tensor.name, tensor.datatype, tensor.shape) for tensor in metadata.inputs] == [("text", "BYTES", [-1, 1])]
    assert {tensor.name for tensor in metadata.outputs} == {"entities", "tokens", "sentences", "doc"}


async def test_a_model_that_is_missing_says_so_in_the_index(server: Server) -> None:
    (broken,) = [item for item in server.control.index() if item.name == "broken"]

    assert broken.state == "UNAVAILABLE"
    assert "python -m spacy download en_core_web_xx" in broken.reason


def test_several_threads_may_ask_at_once(blank: Any) -> None:
    texts = [f"Rome {number}" for number in range(50)]
    barrier = threading.Barrier(4)

    def ask_all() -> list[Any]:
        barrier.wait()
        return [blank(text, outputs=("tokens",))["tokens"][0] for text in texts]

    with ThreadPoolExecutor(4) as threads:
        answers = [future.result() for future in [threads.submit(ask_all) for _ in range(4)]]

    assert [[token["text"] for token in tokens] for tokens in answers[0]] == [text.split() for text in texts]
    assert all(answer == answers[0] for answer in answers)


def test_new_words_are_forgotten_after_each_request(md: Any) -> None:
    md("warm words")
    strings = md.model._pipeline._nlp.vocab.strings
    before = len(strings)

    for number in range(20):
        md(*(f"xq{number}zw{index}" for index in range(10)))

    assert len(strings) == before


def test_the_words_that_a_lemmatizer_keeps_are_bounded(md: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = md.model._pipeline._nlp.get_pipe("lemmatizer").cache
    md("She sings loudly", outputs=("lemmas",))
    assert cache
    monkeypatch.setattr("runtime_spacy.pipeline._MAX_CACHED_WORDS", 1)

    assert md("He sang quietly", outputs=("lemmas",))["lemmas"] == [["he", "sing", "quietly"]]

    assert not cache


def test_a_failing_component_fails_its_request_only(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from spacy.language import Language

    @Language.component("allergic")
    def allergic(doc: Any) -> Any:
        if "nuts" in doc.text:
            raise RuntimeError("nuts")
        return doc

    asked = load("blank:en", add_pipes={"allergic": {}})

    for _ in range(3):
        with pytest.raises(RuntimeError, match="nuts") as failed:
            asked("sugar", "nuts and unheardofwords")
        assert "unheardofwords" not in asked.model._pipeline._nlp.vocab.strings
        assert [token["text"] for token in asked("milk")["tokens"][0]] == ["milk"]
        frames = failed.traceback[1:]
        assert any(entry.name == "allergic" and not entry.frame.f_locals for entry in frames), "no document may be kept"


def test_a_pipeline_that_fails_on_every_text_is_not_loaded(load: Callable[..., Any]) -> None:
    from spacy.language import Language

    @Language.component("always_ill")
    def always_ill(doc: Any) -> Any:
        raise RuntimeError("ill")

    with pytest.raises(MLCoreError, match="the pipeline cannot process a text: ill"):
        load("blank:en", add_pipes={"always_ill": {}})
