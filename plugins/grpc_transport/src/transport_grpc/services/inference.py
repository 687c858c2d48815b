"""`inference.GRPCInferenceService`: the protocol itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from grpclib.const import Cardinality, Handler
from mlcore_protocol.protobuf import inference

from transport_grpc.codec import Untouched
from transport_grpc.services.infer import Infer, guarded, request_of
from transport_grpc.services.mapping import handlers
from transport_grpc.services.repository import Repository
from transport_grpc.services.stream_infer import BareStreamInfer, StreamInfer

if TYPE_CHECKING:
    from mlcore.control import ControlPlane
    from mlcore.dispatcher import Dispatcher
    from mlcore.settings import Settings
    from mlcore_protocol import MetadataTensor

    from transport_grpc.call import ServerCall

NAME = "inference.GRPCInferenceService"


class InferenceService:
    """Health, metadata, inference and the repository.

    Args:
        settings: The server's settings.
        dispatcher: Where requests for models go.
        control: Where everything else is asked.
    """

    def __init__(self, settings: Settings, dispatcher: Dispatcher, control: ControlPlane) -> None:
        self._control = control
        read = request_of if control.guard is None else guarded(control.guard)
        self._infer = Infer(dispatcher, read)
        self._stream = (BareStreamInfer if settings.grpc_bare_stream else StreamInfer)(dispatcher, read)
        self._repository = Repository(control, inference)

    def __mapping__(self) -> dict[str, Handler]:
        """Return every method by its path, as grpclib asks for it."""
        return {
            **handlers(
                NAME,
                {
                    "ServerLive": (self._server_live, inference.ServerLiveRequest),
                    "ServerReady": (self._server_ready, inference.ServerReadyRequest),
                    "ServerMetadata": (self._server_metadata, inference.ServerMetadataRequest),
                    "ModelMetadata": (self._model_metadata, inference.ModelMetadataRequest),
                },
            ),
            f"/{NAME}/ModelReady": Handler(
                self._model_ready,
                Cardinality.UNARY_UNARY,
                inference.ModelReadyRequest,
                inference.ModelReadyResponse,
            ),
            **handlers(NAME, self._repository.methods),
            f"/{NAME}/ModelInfer": Handler(self._infer, Cardinality.UNARY_UNARY, Untouched, Untouched),
            f"/{NAME}/ModelStreamInfer": Handler(self._stream, Cardinality.STREAM_STREAM, Untouched, Untouched),
        }

    async def _server_live(self, _: inference.ServerLiveRequest) -> inference.ServerLiveResponse:
        return inference.ServerLiveResponse(live=self._control.is_live)

    async def _server_ready(self, _: inference.ServerReadyRequest) -> inference.ServerReadyResponse:
        return inference.ServerReadyResponse(ready=self._control.is_ready)

    async def _model_ready(self, call: ServerCall) -> None:
        request: inference.ModelReadyRequest = await call.recv_message()
        if self._control.guard is not None and call.identity is not None:
            self._control.guard.check(call.identity, "ready", request.name)
        ready = self._control.model_is_ready(request.name, request.version or None)
        await call.answer(inference.ModelReadyResponse(ready=ready))

    async def _server_metadata(self, _: inference.ServerMetadataRequest) -> inference.ServerMetadataResponse:
        metadata = self._control.server_metadata()
        return inference.ServerMetadataResponse(
            name=metadata.name, version=metadata.version, extensions=list(metadata.extensions)
        )

    async def _model_metadata(self, request: inference.ModelMetadataRequest) -> inference.ModelMetadataResponse:
        metadata = self._control.model_metadata(request.name, request.version or None)
        parameters = metadata.parameters.model_dump() if metadata.parameters is not None else {}
        return inference.ModelMetadataResponse(
            name=metadata.name,
            versions=list(metadata.versions or []),
            platform=metadata.platform,
            inputs=[_tensor(tensor) for tensor in metadata.inputs],
            outputs=[_tensor(tensor) for tensor in metadata.outputs],
            properties={name: _text(value) for name, value in parameters.items()},
        )


def _tensor(tensor: MetadataTensor) -> inference.ModelMetadataResponseTensorMetadata:
    return inference.ModelMetadataResponseTensorMetadata(
        name=tensor.name, datatype=tensor.datatype, shape=list(tensor.shape)
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
