"""Tests of the error tree."""

import copy
import pickle

import pytest
from mlcore_protocol import errors
from mlcore_protocol.errors import InferenceError, MLCoreError, ModelNotFoundError

CLASSES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, MLCoreError)]


@pytest.mark.parametrize("error_class", CLASSES)
def test_every_error_has_a_word_and_keeps_its_message(error_class):
    error = error_class("what was wrong")

    assert error_class.code == error_class.code.lower().replace(" ", "_")
    assert "what was wrong" in error.message
    assert str(error) == error.message


@pytest.mark.parametrize("error_class", CLASSES)
def test_every_error_survives_the_way_between_processes(error_class):
    error = error_class("what was wrong")
    error.retry_after_s = 2.5

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is error_class
    assert (str(again), again.message, again.retry_after_s) == (str(error), error.message, 2.5)


def test_a_runtime_may_choose_a_status_of_its_own():
    error = MLCoreError("no tea", 418, retry_after_s=1.0)

    assert (error.status_code, error.retry_after_s, error.code) == (418, 1.0, "internal")


def test_an_error_without_a_message_has_no_status_and_no_text():
    error = MLCoreError()

    assert (str(error), error.status_code, error.retry_after_s) == ("", None, None)


@pytest.mark.parametrize(
    ("error_class", "builtin"),
    [
        (errors.InferenceError, ValueError),
        (errors.NotFoundError, LookupError),
        (errors.DeadlineExceededError, TimeoutError),
    ],
)
def test_an_error_that_has_a_builtin_like_it_is_caught_as_that(error_class, builtin):
    with pytest.raises(builtin):
        raise error_class("so")


@pytest.mark.parametrize("error_class", [errors.InputNotFoundError, errors.OutputNotFoundError, errors.CodecError])
def test_what_the_client_got_wrong_is_an_invalid_argument(error_class):
    assert issubclass(error_class, InferenceError)
    assert error_class.code == "invalid_argument"


def test_a_model_that_is_not_found_is_named_with_its_version():
    assert str(ModelNotFoundError("iris")).startswith("Model iris not found; ")
    assert str(ModelNotFoundError("iris", "v2")).startswith("Model iris with version v2 not found; ")


def test_a_model_that_is_not_found_is_named_in_64_characters_at_most():
    message = str(ModelNotFoundError("m" * 1000, "9" * 1000))

    assert message.count("m" * 64) == 1
    assert len(message) < 250


def test_a_model_that_is_not_found_keeps_its_text_when_copied():
    error = ModelNotFoundError("iris", "v2")

    assert str(copy.copy(error)) == str(error)
