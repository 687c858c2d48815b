"""The codecs that code registers by decorator, for the whole process, and how a model finds them.

A model knows those that were registered when it was made, even if another model registers others of the same content
type later: two models may each bring a `json` codec of their own.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from mlcore.codecs.registry import CodecRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlcore.codecs import InputCodec, RequestCodec

C = TypeVar("C")

_inputs: dict[str, type[InputCodec]] = {}
_requests: dict[str, type[RequestCodec]] = {}


def register_input_codec(CodecKlass: C) -> C:
    """Let models find a codec for one tensor under its `ContentType`. The last one wins."""
    _inputs[CodecKlass.ContentType] = CodecKlass  # type: ignore[attr-defined,assignment]  # what users register
    return CodecKlass


def register_request_codec(CodecKlass: C) -> C:
    """Let models find a codec for whole requests under its `ContentType`. The last one wins."""
    _requests[CodecKlass.ContentType] = CodecKlass  # type: ignore[attr-defined,assignment]  # what users register
    return CodecKlass


class WithRegistered(CodecRegistry):
    """A server's codecs, and those that are registered in this process.

    By content type, what is registered wins; by object and by type hint, what comes with the server, as in the order
    of registration.

    Args:
        others: The server's codecs.
    """

    def __init__(self, others: CodecRegistry) -> None:
        super().__init__()
        self._others: CodecRegistry = others._others if isinstance(others, WithRegistered) else others
        self._known_inputs = dict(_inputs)
        self._known_requests = dict(_requests)

    def content_types(self) -> dict[str, list[str]]:
        """Return each content type with the names of those who offer it."""
        own = [*self._known_inputs, *self._known_requests]
        return {**self._others.content_types(), **{content_type: ["the model's code"] for content_type in own}}

    def input_codec(self, content_type: str | None) -> type[InputCodec] | None:
        """Return the codec for one tensor of this content type, or `None`."""
        return _of(content_type, self._known_inputs, _inputs) or self._others.input_codec(content_type)

    def request_codec(self, content_type: str | None) -> type[RequestCodec] | None:
        """Return the codec for a whole request of this content type, or `None`."""
        return _of(content_type, self._known_requests, _requests) or self._others.request_codec(content_type)

    def input_codec_for(self, payload: Any) -> type[InputCodec] | None:
        """Return the first input codec that can encode this object."""
        return self._others.input_codec_for(payload) or _first(self._inputs_known(), lambda c: c.can_encode(payload))

    def request_codec_for(self, payload: Any) -> type[RequestCodec] | None:
        """Return the first request codec that can encode this object."""
        own = self._requests_known()
        return self._others.request_codec_for(payload) or _first(own, lambda c: c.can_encode(payload))

    def input_codec_of_hint(self, hint: Any) -> type[InputCodec] | None:
        """Return the input codec whose type hint this is."""
        return self._others.input_codec_of_hint(hint) or _first(self._inputs_known(), lambda c: c.TypeHint == hint)

    def request_codec_of_hint(self, hint: Any) -> type[RequestCodec] | None:
        """Return the request codec whose type hint this is."""
        own = self._requests_known()
        return self._others.request_codec_of_hint(hint) or _first(own, lambda c: c.TypeHint == hint)

    def _inputs_known(self) -> Iterable[type[InputCodec]]:
        return {**_inputs, **self._known_inputs}.values()

    def _requests_known(self) -> Iterable[type[RequestCodec]]:
        return {**_requests, **self._known_requests}.values()


def codecs_here() -> WithRegistered:
    """Return the codecs of this process, for code outside of a model: what is installed, and what is registered."""
    return WithRegistered(_installed())


@cache
def _installed() -> CodecRegistry:
    from mlcore.plugins import Plugins

    return Plugins().codecs


def _of(content_type: str | None, known: dict[str, C], later: dict[str, C]) -> C | None:
    if content_type is None:
        return None
    return known.get(content_type) or later.get(content_type)


def _first(codecs: Iterable[C], fits: Callable[[Any], bool]) -> C | None:
    return next((codec for codec in codecs if fits(codec)), None)
