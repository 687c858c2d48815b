"""Which codecs there are, and how one is found: by content type, by object, by type hint.

A registry belongs to one server (or one model in a test); there is none for the whole process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from mlcore.codecs.interface import InputCodec, RequestCodec
from mlcore.errors import AmbiguousNameError, MLCoreError, PluginError
from mlcore.imports import import_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Codec = type[InputCodec] | type[RequestCodec]
C = TypeVar("C", type[InputCodec], type[RequestCodec])


class CodecRegistry:
    """The codecs of one server, by content type.

    An input codec and a request codec share a content type; where it stands, on a tensor or on a request,
    tells them apart.
    """

    def __init__(self) -> None:
        self._offers: dict[str, list[tuple[str, Codec | str]]] = {}
        self._inputs: dict[str, type[InputCodec] | None] = {}
        self._requests: dict[str, type[RequestCodec] | None] = {}

    def add(self, content_type: str, codecs: Iterable[Codec | str], provider: str) -> None:
        """Offer codecs under a content type.

        Args:
            content_type: The name that requests use.
            codecs: Codec classes, or import strings that are imported at first use.
            provider: Who offers them, for error messages.
        """
        self._offers.setdefault(content_type, []).extend((provider, codec) for codec in codecs)
        self._inputs.clear()
        self._requests.clear()

    def content_types(self) -> dict[str, list[str]]:
        """Return each content type with the names of those who offer it."""
        return {name: sorted({provider for provider, _ in offers}) for name, offers in self._offers.items()}

    def input_codec(self, content_type: str | None) -> type[InputCodec] | None:
        """Return the codec for one tensor of this content type, or `None`.

        Raises:
            AmbiguousNameError: Two plugins offer one.
        """
        if content_type is None:
            return None
        if content_type not in self._inputs and content_type in self._offers:
            self._inputs[content_type] = self._only(content_type, InputCodec)
        return self._inputs.get(content_type)

    def request_codec(self, content_type: str | None) -> type[RequestCodec] | None:
        """Return the codec for a whole request of this content type, or `None`.

        Raises:
            AmbiguousNameError: Two plugins offer one.
        """
        if content_type is None:
            return None
        if content_type not in self._requests and content_type in self._offers:
            self._requests[content_type] = self._only(content_type, RequestCodec)
        return self._requests.get(content_type)

    def input_codec_for(self, payload: Any) -> type[InputCodec] | None:
        """Return the first input codec, in order of offer, that can encode this object."""
        return next((codec for codec in self._all(self.input_codec) if codec.can_encode(payload)), None)

    def request_codec_for(self, payload: Any) -> type[RequestCodec] | None:
        """Return the first request codec, in order of offer, that can encode this object."""
        return next((codec for codec in self._all(self.request_codec) if codec.can_encode(payload)), None)

    def input_codec_of_hint(self, hint: Any) -> type[InputCodec] | None:
        """Return the input codec whose type hint this is; `typing.List[str]` and `list[str]` are the same."""
        return next((codec for codec in self._all(self.input_codec) if codec.TypeHint == hint), None)

    def request_codec_of_hint(self, hint: Any) -> type[RequestCodec] | None:
        """Return the request codec whose type hint this is."""
        return next((codec for codec in self._all(self.request_codec) if codec.TypeHint == hint), None)

    def problems(self) -> list[str]:
        """Return what is wrong with the codecs that are offered. Imports them all."""
        texts = []
        for content_type in self._offers:
            for kind in (InputCodec, RequestCodec):
                try:
                    self._only(content_type, kind)
                except MLCoreError as error:
                    texts.append(str(error))
        return list(dict.fromkeys(texts))

    def _all(self, find: Any) -> Iterator[Any]:
        """Return the codecs one by one; one that cannot be had is an error only for whoever names it."""
        for content_type in self._offers:
            try:
                codec = find(content_type)
            except (AmbiguousNameError, PluginError):
                continue
            if codec is not None:
                yield codec

    def _only(self, content_type: str, kind: type[Any]) -> Any:
        found: list[tuple[str, Any]] = []
        for provider, offer in self._offers[content_type]:
            what = f"codec '{content_type}' of {provider}"
            codec = import_object(offer, what) if isinstance(offer, str) else offer
            if not isinstance(codec, type) or not issubclass(codec, InputCodec | RequestCodec):
                raise PluginError(what, "it has to be a class that subclasses InputCodec or RequestCodec")
            if issubclass(codec, kind):
                found.append((provider, codec))
        if len(found) > 1:
            raise AmbiguousNameError(
                f"the content type '{content_type}' is offered by {' and '.join(provider for provider, _ in found)}; "
                "name one of them in plugins.deny"
            )
        return found[0][1] if found else None


def builtin_codecs() -> CodecRegistry:
    """Return a new registry with the codecs that come with the core, for a model outside a server."""
    from mlcore.builtin import mlcore_codecs

    registry = CodecRegistry()
    for content_type, codecs in mlcore_codecs().items():
        registry.add(content_type, codecs, "mlcore-core")
    return registry
