"""What a codec is, how one is registered, and how one is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore.codecs import InputCodec
from mlcore.codecs import RequestCodec as _RequestCodec
from mlcore_protocol import InferenceRequest

from mlserver.codecs.decoded import with_decoded
from mlserver.codecs.registered import codecs_here, register_input_codec, register_request_codec

if TYPE_CHECKING:
    from mlcore.codecs.interface import CodecOf

__all__ = [
    "InputCodec",
    "InputCodecLike",
    "RequestCodec",
    "RequestCodecLike",
    "find_input_codec",
    "find_input_codec_by_payload",
    "find_input_codec_by_type_hint",
    "find_request_codec",
    "find_request_codec_by_payload",
    "find_request_codec_by_type_hint",
    "register_input_codec",
    "register_request_codec",
]

InputCodecLike = type[InputCodec] | InputCodec


class RequestCodec(_RequestCodec):
    """A whole request or response to a Python object and back.

    The inputs that have a codec of their own are decoded first; `get_decoded_or_raw` returns what they hold.
    """

    @classmethod
    def decode_request_with(cls, request: InferenceRequest, codec_of: CodecOf) -> Any:
        """Return the object that a request holds, its inputs decoded as they or the model's metadata say."""
        codecs = [codec_of(tensor) for tensor in request.inputs]
        inputs = [
            tensor if codec is None else with_decoded(tensor, codec.decode_input(tensor))
            for tensor, codec in zip(request.inputs, codecs, strict=True)
        ]
        return cls.decode_request(
            InferenceRequest(id=request.id, parameters=request.parameters, inputs=inputs, outputs=request.outputs)
        )


RequestCodecLike = type[RequestCodec] | RequestCodec


def find_input_codec(
    content_type: str | None = None, payload: Any = None, type_hint: Any = None
) -> type[InputCodec] | None:
    """Return the codec for one tensor, by content type, object or type hint, in this order."""
    codecs = codecs_here()
    if content_type:
        return codecs.input_codec(content_type)
    if payload is not None:
        return codecs.input_codec_for(payload)
    return find_input_codec_by_type_hint(type_hint) if type_hint is not None else None


def find_input_codec_by_payload(payload: Any) -> type[InputCodec] | None:
    """Return the codec for one tensor that can encode this object."""
    return codecs_here().input_codec_for(payload)


def find_input_codec_by_type_hint(type_hint: Any) -> type[InputCodec] | None:
    """Return the codec for one tensor whose type hint this is."""
    return codecs_here().input_codec_of_hint(type_hint)


def find_request_codec(
    content_type: str | None = None, payload: Any = None, type_hint: Any = None
) -> type[_RequestCodec] | None:
    """Return the codec for a whole request, by content type, object or type hint, in this order."""
    codecs = codecs_here()
    if content_type:
        return codecs.request_codec(content_type)
    if payload is not None:
        return codecs.request_codec_for(payload)
    return find_request_codec_by_type_hint(type_hint) if type_hint is not None else None


def find_request_codec_by_payload(payload: Any) -> type[_RequestCodec] | None:
    """Return the codec for whole requests that can encode this object."""
    return codecs_here().request_codec_for(payload)


def find_request_codec_by_type_hint(type_hint: Any) -> type[_RequestCodec] | None:
    """Return the codec for whole requests whose type hint this is."""
    return codecs_here().request_codec_of_hint(type_hint)
