"""Clients of the model `identity`, over REST and over gRPC; both say in statuses of HTTP how it went."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import aiohttp
import grpc.aio
import numpy as np
from mlcore_protocol.protobuf import inference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server import Served

BAD_BODIES = [
    b"",
    b"null",
    b"{",
    b"[" * 1000,
    b'{"inputs": []}',
    b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1], "data": [1]}]}',
    b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "data": [1]}]}',
    b'{"inputs": [{"name": "x", "datatype": "INT64", "shape": [1], "data": [18446744073709551616]}]}',
    b'{"inputs": [{"name": "x", "datatype": "FP33", "shape": [1], "data": [1]}]}',
    b'{"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1], "data": ["\xff"]}]}',
]
"""What must be answered 400 over REST."""

_STATUSES = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
_PATIENCE_S = 60


class RestClient:
    """Asks over REST."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(self, numbers: list[float]) -> tuple[int, list[float]]:
        """Send numbers; return the status, and the numbers that came back."""
        tensor = {"name": "x", "datatype": "FP32", "shape": [len(numbers)], "data": numbers}
        status, body = await self._post(json.dumps({"inputs": [tensor]}).encode())
        return status, json.loads(body)["outputs"][0]["data"] if status == 200 else []

    async def ask_badly(self, number: int) -> int:
        """Send what is wrong, one of several things; return the status."""
        status, _ = await self._post(BAD_BODIES[number % len(BAD_BODIES)])
        return status

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers) as answer:
            return answer.status, await answer.read()


class GrpcClient:
    """Asks over gRPC."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    async def ask(self, numbers: list[float]) -> tuple[int, list[float]]:
        """Send numbers; return the status, and the numbers that came back."""
        status, answer = await self._call(bytes(_message([len(numbers)], numbers)))
        if status != 200:
            return status, []
        read = inference.ModelInferResponse.parse(answer)
        raw = read.raw_output_contents
        return status, np.frombuffer(raw[0], "<f4").tolist() if raw else list(read.outputs[0].contents.fp32_contents)

    async def ask_badly(self, number: int) -> int:
        """Send what is wrong, one of several things; return the status."""
        wrong = [_message([2], [1.0]), _message([-1], [1.0]), _message([1], [], "FP33"), b"\xff\xff"]
        status, _ = await self._call(bytes(wrong[number % len(wrong)]))
        return status

    async def _call(self, message: bytes) -> tuple[int, bytes]:
        try:
            return 200, await self._infer(message, timeout=_PATIENCE_S)
        except grpc.aio.AioRpcError as error:
            if error.code() not in _STATUSES:
                raise
            return _STATUSES[error.code()], b""


@contextlib.asynccontextmanager
async def client_of(server: Served, model: str = "identity", keep_alive: bool = True) -> AsyncIterator[RestClient]:
    """Give a client over REST, without a bound on its connections."""
    connector = aiohttp.TCPConnector(force_close=not keep_alive, limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(_PATIENCE_S)) as session:
        yield RestClient(session, f"{server.url}/v2/models/{model}/infer")


@contextlib.asynccontextmanager
async def grpc_client_of(server: Served) -> AsyncIterator[GrpcClient]:
    """Give a client over gRPC, with one connection."""
    async with grpc.aio.insecure_channel(server.grpc) as channel:
        yield GrpcClient(channel)


def _message(shape: list[int], numbers: list[float], datatype: str = "FP32") -> inference.ModelInferRequest:
    tensor = inference.ModelInferRequestInferInputTensor(
        name="x", datatype=datatype, shape=shape, contents=inference.InferTensorContents(fp32_contents=numbers)
    )
    return inference.ModelInferRequest(model_name="identity", inputs=[tensor])
