"""The messages that clients and models exchange. They are mlcore's own, under the names that MLServer gives them."""

from __future__ import annotations

from typing import Any

from mlcore_protocol import (
    Datatype,
    InferenceRequest,
    InferenceResponse,
    MetadataTensor,
    Parameters,
    RequestInput,
    RequestOutput,
    ResponseOutput,
)
from mlcore_protocol import ModelMetadata as MetadataModelResponse
from mlcore_protocol import ServerMetadata as MetadataServerResponse
from mlcore_protocol import TensorData as _TensorData
from mlcore_protocol.message import Message

__all__ = [
    "Datatype",
    "InferenceErrorResponse",
    "InferenceRequest",
    "InferenceResponse",
    "MetadataModelErrorResponse",
    "MetadataModelResponse",
    "MetadataServerErrorResponse",
    "MetadataServerResponse",
    "MetadataTensor",
    "Parameters",
    "RequestInput",
    "RequestOutput",
    "ResponseOutput",
    "TensorData",
]


class _AnyTensorData(type):
    """Counts every tensor's data as `TensorData`, also what the server made."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _TensorData)


class TensorData(_TensorData, metaclass=_AnyTensorData):
    """The elements of one tensor, made as code for MLServer makes them: `TensorData(root=[...])`.

    Args:
        root: The elements.
        older: The same, as `__root__`.
    """

    __slots__ = ()

    def __init__(self, root: Any = None, **older: Any) -> None:
        super().__init__(older.get("__root__", root))


class InferenceErrorResponse(Message, kw_only=True):
    """What a client is told of an error."""

    error: str | None = None


class MetadataServerErrorResponse(InferenceErrorResponse, kw_only=True):
    """What a client is told of an error."""


class MetadataModelErrorResponse(InferenceErrorResponse, kw_only=True):
    """What a client is told of an error."""
