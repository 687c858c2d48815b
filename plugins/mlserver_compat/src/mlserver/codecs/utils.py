"""Requests and tensors to Python objects and back, by whatever says how: the tensor, its metadata, its own type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore.codecs import SingleTensorRequestCodec as SingleInputRequestCodec

from mlserver.codecs.decoded import (
    DecodedParameterName,
    Parametrised,
    get_decoded,
    get_decoded_or_raw,
    has_decoded,
)
from mlserver.codecs.lists import is_list_of
from mlserver.codecs.registered import codecs_here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlcore import ModelSettings
    from mlcore.codecs import InputCodec
    from mlcore_protocol import (
        InferenceRequest,
        InferenceResponse,
        MetadataTensor,
        RequestInput,
        RequestOutput,
        ResponseOutput,
    )

__all__ = [
    "DecodedParameterName",
    "Parametrised",
    "SingleInputRequestCodec",
    "decode_inference_request",
    "decode_request_input",
    "encode_inference_response",
    "encode_response_output",
    "get_decoded",
    "get_decoded_or_raw",
    "has_decoded",
    "inject_batch_dimension",
    "is_list_of",
]


def decode_request_input(
    request_input: RequestInput, metadata_inputs: Mapping[str, MetadataTensor] | None = None
) -> Any | None:
    """Return the object that an input holds, or `None` where nothing says how to read it."""
    codec = _codec_of(request_input, metadata_inputs or {})
    return None if codec is None else codec.decode_input(request_input)


def decode_inference_request(
    inference_request: InferenceRequest,
    model_settings: ModelSettings | None = None,
    metadata_inputs: Mapping[str, MetadataTensor] | None = None,
) -> Any | None:
    """Return the object that a whole request holds, or `None` where nothing says how to read it."""
    named = inference_request.parameters.content_type if inference_request.parameters else None
    if named is None and model_settings is not None:
        named = model_settings.parameters.content_type
    codec = codecs_here().request_codec(named)
    if codec is None:
        return None
    return codec.decode_request_with(inference_request, lambda tensor: _codec_of(tensor, metadata_inputs or {}))


def encode_response_output(
    payload: Any, request_output: RequestOutput, metadata_outputs: Mapping[str, MetadataTensor] | None = None
) -> ResponseOutput | None:
    """Return the output tensor that holds an object, or `None` where no codec can encode it."""
    codec = _codec_of(request_output, metadata_outputs or {}) or codecs_here().input_codec_for(payload)
    return None if codec is None else codec.encode_output(request_output.name, payload)


def encode_inference_response(payload: Any, model_settings: ModelSettings) -> InferenceResponse | None:
    """Return the response that holds an object, or `None` where no codec can encode it."""
    codec = codecs_here().request_codec_for(payload)
    if codec is None:
        return None
    return codec.encode_response(model_settings.name, payload, model_settings.parameters.version)


def inject_batch_dimension(shape: list[int]) -> list[int]:
    """Return a shape of two axes or more, where there was one: its first is the batch."""
    return [*shape, 1] if len(shape) == 1 else shape or [1]


def _codec_of(tensor: RequestInput | RequestOutput, declared: Mapping[str, MetadataTensor]) -> type[InputCodec] | None:
    metadata = declared.get(tensor.name)
    for parameters in (tensor.parameters, metadata.parameters if metadata else None):
        if parameters is not None and parameters.content_type:
            return codecs_here().input_codec(parameters.content_type)
    return None
