"""An identity model on other gRPC servers, on loopback: `grpc_peers.py aio PORT`, `grpc_peers.py kserve PORT`.

`aio` is grpc.aio with Google's protobuf, and a handler that does what the model does and nothing else. `kserve` is
KServe's servicer with the interceptors that its server has; its own program would listen on every address.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
PROTOS = Path(__file__).parents[1] / "protocol/src/mlcore_protocol/proto"


def aio() -> grpc.aio.Server:
    """Return grpc.aio with a bare handler."""
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as made:
        protoc.main(["", f"-I{PROTOS}", f"--python_out={made}", f"--grpc_python_out={made}", "inference.proto"])
        sys.path.insert(0, made)
        import inference_pb2
        import inference_pb2_grpc

    class Identity(inference_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # generated just now
        async def ModelInfer(self, request: Any, context: Any) -> Any:  # the protocol's name
            x = request.inputs[0]
            response = inference_pb2.ModelInferResponse(model_name="identity", id=request.id)
            output = response.outputs.add(name="output-0", datatype=x.datatype, shape=x.shape)
            if request.raw_input_contents:
                response.raw_output_contents.append(request.raw_input_contents[0])
            else:
                output.contents.CopyFrom(x.contents)
            return response

    server = grpc.aio.server(options=OPTIONS)
    inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Identity(), server)
    return server


def kserve() -> grpc.aio.Server:
    """Return KServe's servicer."""
    import kserve
    from kserve.model_repository import ModelRepository
    from kserve.protocol.dataplane import DataPlane
    from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc
    from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor, LoggingInterceptor
    from kserve.protocol.grpc.servicer import InferenceServicer
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension

    class Identity(kserve.Model):  # type: ignore[misc]  # not installed here
        def __init__(self) -> None:
            super().__init__("identity")
            self.ready = True

        async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
            x = payload.inputs[0]
            output = kserve.InferOutput("output-0", list(x.shape), x.datatype)
            output.set_data_from_numpy(x.as_numpy(), binary_data=x._raw_data is not None)
            return kserve.InferResponse(payload.id, "identity", [output])

    models = ModelRepository()
    models.update(Identity())
    server = grpc.aio.server(
        futures.ThreadPoolExecutor(4),
        interceptors=(LoggingInterceptor(), ExceptionToStatusInterceptor()),
        options=OPTIONS,
    )
    servicer = InferenceServicer(DataPlane(models), ModelRepositoryExtension(models))
    grpc_predict_v2_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    return server


async def main() -> None:
    """Serve until SIGTERM."""
    server = {"aio": aio, "kserve": kserve}[sys.argv[1]]()
    server.add_insecure_port(f"127.0.0.1:{sys.argv[2]}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
