"""Where a pipeline comes from, what `parameters.extra` may say, and what is said of mistakes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from mlcore.errors import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Load = Callable[..., Any]


def reason(load: Load, uri: str | None, folder: Path | None = None, **extra: Any) -> str:
    """Return why a pipeline is not loaded."""
    with pytest.raises(ModelLoadError) as refused:
        load(uri, folder, **extra)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_relative_path_starts_at_the_models_folder(load: Load, classifier: Path) -> None:
    assert "categories" in load(classifier.name, classifier.parent)("a")
    assert "categories" in load(f"./{classifier.name}", classifier.parent)("a")


def test_the_models_folder_may_itself_be_the_pipeline(load: Load, classifier: Path) -> None:
    assert "categories" in load(None, classifier)("a")


def test_a_missing_pipeline_says_how_to_get_it(load: Load, tmp_path: Path) -> None:
    assert reason(load, "en_core_web_xx", tmp_path) == (
        "parameters.uri: no pipeline 'en_core_web_xx' is installed, and the model's folder has no folder of that name; "
        "get it with 'python -m spacy download en_core_web_xx', or give a path"
    )


def test_a_missing_folder_is_named(load: Load, tmp_path: Path) -> None:
    assert reason(load, "./nothing", tmp_path) == (
        "parameters.uri: there is no folder './nothing' (relative to the model's folder)"
    )


def test_no_uri_says_what_it_may_be(load: Load, tmp_path: Path) -> None:
    assert reason(load, None, tmp_path).startswith("parameters.uri: missing; name an installed pipeline")


def test_a_folder_without_a_pipeline_says_what_belongs_there(load: Load, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert "'empty' has no config.cfg" in reason(load, "empty", tmp_path)


def test_a_broken_pipeline_says_what_spacy_says(load: Load, tmp_path: Path) -> None:
    (tmp_path / "config.cfg").write_text("[nlp]\nlang = 'en'\n")

    assert reason(load, None, tmp_path).startswith("parameters.uri: spaCy cannot load the pipeline: [E053]")


def test_a_name_that_is_a_package_and_a_folder_is_not_guessed(load: Load, with_vectors: str, tmp_path: Path) -> None:
    (tmp_path / with_vectors).mkdir()

    assert f"write './{with_vectors}' for the folder" in reason(load, with_vectors, tmp_path)


def test_an_unknown_language_is_named(load: Load) -> None:
    assert reason(load, "blank:qq").startswith("parameters.uri: spaCy has no language 'qq'")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"outptus": []}, "parameters.extra: 'outptus' is not a setting of this runtime; did you mean 'outputs'?"),
        ({"batch_size": 0}, "parameters.extra.batch_size: expected int >= 1"),
        ({"batch_size": "32"}, "parameters.extra.batch_size: expected int, got str"),
        ({"exclude": "ner"}, "parameters.extra.exclude: expected array, got str"),
        ({"exclude": ["ner"]}, "parameters.extra.exclude: the pipeline has no component 'ner'; there are: none"),
        (
            {"outputs": ["entities"]},
            "parameters.extra.outputs: 'entities' needs an ner or entity_ruler, which this pipeline does not have; "
            "it can give 'tokens', 'doc'",
        ),
        (
            {"outputs": ["tokenz"]},
            "parameters.extra.outputs: 'tokenz' is not an output of this model; did you mean 'tokens'?",
        ),
        (
            {"add_pipes": {"sentencizr": {}}},
            "parameters.extra.add_pipes.sentencizr: spaCy has no such component; did you mean 'sentencizer'?",
        ),
        (
            {"add_pipes": {"sentencizer": {"patterns": []}}},
            "parameters.extra.add_pipes.sentencizer.patterns: this component takes no patterns",
        ),
        (
            {"add_pipes": {"sentencizer": {}, "entity_ruler": {"before": "sentenciser"}}},
            "parameters.extra.add_pipes.entity_ruler.before: the pipeline has no component 'sentenciser'; "
            "did you mean 'sentencizer'?",
        ),
    ],
)
def test_a_mistake_in_the_settings_is_named(load: Load, extra: dict[str, Any], message: str) -> None:
    assert reason(load, "blank:en", **extra) == message


def test_a_wrong_configuration_of_a_component_is_named(load: Load) -> None:
    message = reason(load, "blank:en", add_pipes={"sentencizer": {"puncts": []}})

    assert message.startswith("parameters.extra.add_pipes.sentencizer: ConfigValidationError: ")
    assert "puncts" in message


def test_patterns_that_are_none_are_named(load: Load) -> None:
    assert "add_pipes.entity_ruler: " in reason(load, "blank:en", add_pipes={"entity_ruler": {"patterns": [{}]}})


def test_components_that_contradict_each_other_are_refused(load: Load, with_vectors: str) -> None:
    assert reason(load, with_vectors, enable=["ner"], disable=["ner"]) == (
        "parameters.extra.enable: 'ner' is also in disable; choose one of them"
    )


def test_a_component_without_a_model_fails_at_load(load: Load) -> None:
    assert reason(load, "blank:en", add_pipes={"textcat": {}}).startswith("the pipeline cannot process a text: ")


def test_excluded_components_take_their_outputs_with_them(load: Load, with_vectors: str) -> None:
    asked = load(with_vectors, exclude=["tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer", "senter"])

    assert list(asked("Ann lives in Rome.")) == ["entities", "tokens"]


def test_only_enabled_components_run(load: Load, with_vectors: str) -> None:
    assert list(load(with_vectors, enable=["senter"])("a")) == ["tokens", "sentences"]


def test_disabled_components_do_not_run(load: Load, with_vectors: str) -> None:
    asked = load(with_vectors, disable=["ner", "parser", "attribute_ruler", "lemmatizer", "senter"])

    assert list(asked("a")) == ["tokens", "tags"]


def test_a_ruler_may_stand_before_a_model(load: Load, with_vectors: str) -> None:
    ruler = {"patterns": [{"label": "THING", "pattern": "Rome"}], "before": "ner"}

    asked = load(with_vectors, add_pipes={"entity_ruler": ruler})

    assert "THING" in [each["label"] for each in asked("Ann lives in Rome.", outputs=("entities",))["entities"][0]]


def test_the_default_outputs_may_be_set(load: Load, with_vectors: str) -> None:
    assert list(load(with_vectors, outputs=["vector", "tokens"])("a")) == ["vector", "tokens"]


def test_small_batches_give_the_same_answers(load: Load) -> None:
    texts = [f"Text {number}. It has two sentences." for number in range(7)]
    one, many = (load("blank:en", batch_size=size, add_pipes={"sentencizer": {}}) for size in (1, 1000))

    assert one(*texts) == many(*texts)


def test_a_warning_of_spacy_is_one_line_in_the_log(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "mlcore.spacy"):
        asked = load("blank:en", add_pipes={"entity_ruler": {}})
        asked("a")  # warnings are errors in this run: a second one would be raised

    (record,) = caplog.records
    assert record.message == "spaCy warns"
    assert record.warning == "[W036] The component 'entity_ruler' does not have any patterns defined."
