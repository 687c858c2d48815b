"""The Open Inference Protocol V2: messages, datatypes, errors and wire formats."""

from mlcore_protocol.datatypes import Datatype, datatype_of
from mlcore_protocol.errors import InferenceError, MLCoreError
from mlcore_protocol.limits import Limits
from mlcore_protocol.messages import (
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
)
from mlcore_protocol.protobuf_format import ProtobufFormat
from mlcore_protocol.tensor_data import TensorData
from mlcore_protocol.v2_format import V2Format
from mlcore_protocol.wire_format import Buffer, Encoded, WireFormat

__all__ = [
    "Buffer",
    "Datatype",
    "Encoded",
    "InferenceError",
    "InferenceRequest",
    "InferenceResponse",
    "Limits",
    "MLCoreError",
    "MetadataTensor",
    "ModelMetadata",
    "Parameters",
    "ProtobufFormat",
    "RepositoryIndexItem",
    "RequestInput",
    "RequestOutput",
    "ResponseOutput",
    "ServerMetadata",
    "TensorData",
    "V2Format",
    "WireFormat",
    "datatype_of",
]
