"""Messages of Python to those of gRPC and back.

mlcore's own protobuf format does the work: a tensor has the same fields in a request and in a response, so that one
is read and written as the other.
"""

from __future__ import annotations

from typing import Any

from mlcore_protocol import (
    InferenceRequest,
    InferenceResponse,
    MetadataTensor,
    ModelMetadata,
    ProtobufFormat,
    RepositoryIndexItem,
    RequestInput,
    RequestOutput,
    ResponseOutput,
    ServerMetadata,
)
from mlcore_protocol.protobuf_response import write_response

from mlserver.grpc import dataplane_pb2 as pb
from mlserver.types import RepositoryIndexResponse

__all__ = [
    "ModelInferRequestConverter",
    "ModelInferResponseConverter",
    "ModelMetadataResponseConverter",
    "RepositoryIndexResponseConverter",
    "ServerMetadataResponseConverter",
]


class ModelInferRequestConverter:
    """An infer request."""

    @classmethod
    def to_types(cls, pb_object: Any) -> InferenceRequest:
        """Return the message of Python."""
        return ProtobufFormat().decode(pb_object.SerializeToString())

    @classmethod
    def from_types(
        cls, type_object: InferenceRequest, model_name: str, model_version: str | None = "", use_raw: bool = False
    ) -> Any:
        """Return the message of gRPC.

        Args:
            type_object: The message of Python. Its parameters that gRPC has no form for, as lists, are left out.
            model_name: The model that is asked.
            model_version: The version that is asked; any if empty.
            use_raw: Whether tensors are bytes, rather than lists of numbers.
        """
        as_response = InferenceResponse(
            model_name=model_name,
            model_version=model_version or None,
            id=type_object.id,
            parameters=type_object.parameters,
            outputs=[ResponseOutput(**_members(tensor)) for tensor in type_object.inputs],
        )
        written = ModelInferResponseConverter.from_types(as_response, use_raw)
        return pb.ModelInferRequest(
            model_name=model_name,
            model_version=model_version or "",
            id=written.id,
            parameters=written.parameters,
            inputs=[_as(pb.ModelInferRequest.InferInputTensor, tensor) for tensor in written.outputs],
            outputs=[_requested(output) for output in type_object.outputs or ()],
            raw_input_contents=written.raw_output_contents,
        )


class ModelInferResponseConverter:
    """An infer response."""

    @classmethod
    def to_types(cls, pb_object: Any) -> InferenceResponse:
        """Return the message of Python."""
        read = ModelInferRequestConverter.to_types(
            pb.ModelInferRequest(
                parameters=pb_object.parameters,
                inputs=[_as(pb.ModelInferRequest.InferInputTensor, tensor) for tensor in pb_object.outputs],
                raw_input_contents=pb_object.raw_output_contents,
            )
        )
        return InferenceResponse(
            model_name=pb_object.model_name,
            model_version=pb_object.model_version or None,
            id=pb_object.id or None,
            parameters=read.parameters,
            outputs=[ResponseOutput(**_members(tensor)) for tensor in read.inputs],
        )

    @classmethod
    def from_types(cls, type_object: InferenceResponse, use_raw: bool = False) -> Any:
        """Return the message of gRPC; see `ModelInferRequestConverter.from_types`."""
        return pb.ModelInferResponse.FromString(b"".join(write_response(type_object, use_raw)))


class ModelMetadataResponseConverter:
    """What is known of a model."""

    @classmethod
    def to_types(cls, pb_object: Any) -> ModelMetadata:
        """Return the message of Python."""
        return ModelMetadata(
            name=pb_object.name,
            versions=list(pb_object.versions),
            platform=pb_object.platform,
            inputs=[_tensor(tensor) for tensor in pb_object.inputs],
            outputs=[_tensor(tensor) for tensor in pb_object.outputs],
        )


class ServerMetadataResponseConverter:
    """What a server says of itself."""

    @classmethod
    def to_types(cls, pb_object: Any) -> ServerMetadata:
        """Return the message of Python."""
        return ServerMetadata(name=pb_object.name, version=pb_object.version, extensions=list(pb_object.extensions))


class RepositoryIndexResponseConverter:
    """The models of a repository."""

    @classmethod
    def to_types(cls, pb_object: Any) -> RepositoryIndexResponse:
        """Return the message of Python."""
        return RepositoryIndexResponse(
            [
                RepositoryIndexItem(
                    name=model.name, version=model.version or None, state=model.state, reason=model.reason
                )
                for model in pb_object.models
            ]
        )


def _members(tensor: RequestInput | ResponseOutput) -> dict[str, Any]:
    return {name: getattr(tensor, name) for name in ("name", "shape", "datatype", "parameters", "data")}


def _as(kind: Any, message: Any) -> Any:
    return kind.FromString(message.SerializeToString())


def _requested(output: RequestOutput) -> Any:
    empty = InferenceResponse(model_name="", parameters=output.parameters, outputs=[])
    parameters = ModelInferResponseConverter.from_types(empty).parameters
    return pb.ModelInferRequest.InferRequestedOutputTensor(name=output.name, parameters=parameters)


def _tensor(tensor: Any) -> MetadataTensor:
    return MetadataTensor(name=tensor.name, datatype=tensor.datatype, shape=list(tensor.shape))
