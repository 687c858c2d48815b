"""The messages of the protocol, for models and clients."""

from mlcore_protocol import (
    Datatype,
    InferenceRequest,
    InferenceResponse,
    MetadataTensor,
    ModelMetadata,
    Parameters,
    RepositoryIndexItem,
    RequestInput,
    RequestOutput,
    ResponseOutput,
    ServerMetadata,
    TensorData,
)

__all__ = [
    "Datatype",
    "InferenceRequest",
    "InferenceResponse",
    "MetadataTensor",
    "ModelMetadata",
    "Parameters",
    "RepositoryIndexItem",
    "RequestInput",
    "RequestOutput",
    "ResponseOutput",
    "ServerMetadata",
    "TensorData",
]
