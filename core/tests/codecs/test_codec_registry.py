"""The registry of codecs: by content type, by object, by hint, and what happens to those that cannot be had."""

from datetime import UTC, datetime
from typing import List  # noqa: UP035  # users write it

import numpy as np
import pytest
from mlcore.codecs import (
    Base64Codec,
    CodecRegistry,
    DatetimeCodec,
    InputCodec,
    NumpyCodec,
    NumpyRequestCodec,
    RequestCodec,
    StringCodec,
    StringRequestCodec,
    builtin_codecs,
)
from mlcore.errors import AmbiguousNameError, PluginError
from mlcore.types import InferenceRequest, InferenceResponse


class Own(InputCodec):
    ContentType = "own"
    TypeHint = complex

    @classmethod
    def can_encode(cls, payload):
        return isinstance(payload, complex)


class OwnRequest(RequestCodec):
    ContentType = "own"
    TypeHint = dict

    @classmethod
    def can_encode(cls, payload):
        return isinstance(payload, dict)


@pytest.fixture
def registry():
    return builtin_codecs()


def test_a_content_type_has_a_codec_for_tensors_and_one_for_requests(registry):
    assert registry.input_codec("np") is NumpyCodec
    assert registry.request_codec("np") is NumpyRequestCodec
    assert registry.input_codec("base64") is Base64Codec
    assert registry.request_codec("base64") is None
    assert registry.input_codec("nothing") is registry.request_codec("nothing") is None
    assert registry.input_codec(None) is registry.request_codec(None) is None


@pytest.mark.parametrize(
    ("payload", "codec", "request_codec"),
    [
        (np.array([1]), NumpyCodec, NumpyRequestCodec),
        (["a"], StringCodec, StringRequestCodec),
        ([], StringCodec, StringRequestCodec),
        ([b"a"], Base64Codec, None),
        ([datetime.now(UTC)], DatetimeCodec, None),
        (5, None, None),
        ({}, None, None),
    ],
)
def test_the_first_codec_that_can_encode_an_object_is_taken(registry, payload, codec, request_codec):
    assert registry.input_codec_for(payload) is codec
    assert registry.request_codec_for(payload) is request_codec


@pytest.mark.parametrize(
    ("hint", "codec"),
    [
        (np.ndarray, NumpyCodec),
        (list[str], StringCodec),
        (list[bytes], Base64Codec),
        (list[datetime], DatetimeCodec),
        (int, None),
    ],
)
def test_a_hint_stands_for_a_codec(registry, hint, codec):
    assert registry.input_codec_of_hint(hint) is codec


def test_a_plugin_adds_codecs_of_both_kinds(registry):
    registry.add("own", [Own, OwnRequest], "runtime-own")

    assert registry.input_codec("own") is registry.input_codec_for(1j) is registry.input_codec_of_hint(complex) is Own
    assert (
        registry.request_codec("own")
        is registry.request_codec_for({})
        is registry.request_codec_of_hint(dict)
        is OwnRequest
    )
    assert registry.content_types()["own"] == ["runtime-own"]
    assert registry.problems() == []


def test_one_plugin_may_add_the_request_codec_to_anothers_input_codec(registry):
    class Base64Request(OwnRequest):
        ContentType = "base64"

    registry.add("base64", [Base64Request], "runtime-own")

    assert registry.request_codec("base64") is Base64Request
    assert registry.input_codec("base64") is Base64Codec
    assert registry.problems() == []


def test_two_codecs_of_one_content_type_are_an_error_only_for_whoever_names_it(registry):
    registry.add("np", [Own], "runtime-own")

    with pytest.raises(AmbiguousNameError) as raised:
        registry.input_codec("np")
    assert str(raised.value) == (
        "the content type 'np' is offered by mlcore-core and runtime-own; name one of them in plugins.deny"
    )
    assert registry.input_codec_for(["a"]) is StringCodec
    assert registry.input_codec_for(np.array([1])) is None
    assert registry.problems() == [str(raised.value)]


@pytest.mark.parametrize(
    ("offer", "message"),
    [
        (
            "nowhere_at_all:Codec",
            "plugin codec 'own' of runtime-own: cannot import nowhere_at_all:Codec: ModuleNotFoundError",
        ),
        (
            "mlcore.codecs:Nothing",
            "plugin codec 'own' of runtime-own: cannot import mlcore.codecs:Nothing: AttributeError",
        ),
        (dict, "plugin codec 'own' of runtime-own: it has to be a class that subclasses InputCodec or RequestCodec"),
        (Own(), "plugin codec 'own' of runtime-own: it has to be a class that subclasses InputCodec or RequestCodec"),
    ],
)
def test_a_codec_that_cannot_be_had_is_an_error_only_for_whoever_names_it(registry, offer, message):
    registry.add("own", [offer], "runtime-own")

    with pytest.raises(PluginError) as raised:
        registry.input_codec("own")
    assert str(raised.value).startswith(message)
    assert registry.input_codec_for(5) is None
    assert registry.input_codec_of_hint(complex) is None
    assert len(registry.problems()) == 1


def test_codecs_are_not_imported_before_somebody_needs_them():
    registry = CodecRegistry()
    registry.add("np", ["mlcore.codecs:NumpyCodec"], "mlcore-core")
    registry.add("own", ["nowhere_at_all:Codec"], "runtime-own")

    assert registry.input_codec_for(np.array([1])) is NumpyCodec


def test_what_a_codec_leaves_out_says_so():
    with pytest.raises(NotImplementedError, match="Bare cannot encode"):
        type("Bare", (InputCodec,), {"ContentType": "bare"}).encode_input("x", 5)
    with pytest.raises(NotImplementedError, match="InputCodec cannot decode"):
        InputCodec.decode_input(None)
    request, response = InferenceRequest(inputs=[]), InferenceResponse(model_name="m", outputs=[])
    for operation, arguments in (
        (RequestCodec.encode_request, (5,)),
        (RequestCodec.decode_request, (request,)),
        (RequestCodec.encode_response, ("m", 5)),
        (RequestCodec.decode_response, (response,)),
    ):
        with pytest.raises(NotImplementedError, match="RequestCodec cannot"):
            operation(*arguments)
    assert not InputCodec.can_encode(5)
    assert not RequestCodec.can_encode(5)


def test_a_hint_of_typing_is_the_same_to_users(registry):
    from mlcore.codecs.typed_arguments import _plain

    assert registry.input_codec_of_hint(_plain(List[str])) is StringCodec  # noqa: UP006
