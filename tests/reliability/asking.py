"""Clients that ask the same of a server over REST and over gRPC, and say what it answered in the same words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from mlcore_protocol.protobuf import inference

if TYPE_CHECKING:
    from mlcore.testing.process import HttpAnswer, RunningServer

WORDS = {
    200: "OK",
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    409: "FAILED_PRECONDITION",
    413: "RESOURCE_EXHAUSTED",
    415: "UNIMPLEMENTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
"""What the statuses of REST are called over gRPC."""

CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}
"""The field of a typed message that has the elements of each datatype; texts have `bytes_contents`."""

_TELLS_TOO_MUCH = re.compile(r"Traceback|File \"|\w+Error\b|site-packages|0x[0-9a-f]{8}")


@dataclass
class Reply:
    """What came: the status by its name, the text of the error, and the outputs by name."""

    code: str
    message: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)
    id: str | None = None


class RestClient:
    """Asks over REST."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server

    def infer(self, model: str, *inputs: dict[str, Any], version: str | None = None, **members: Any) -> Reply:
        """Ask a model; `inputs` and `members` are those of the protocol."""
        path = f"/v2/models/{model}" + (f"/versions/{version}" if version is not None else "")
        return reply_of(self._server.post(f"{path}/infer", {"inputs": list(inputs), **members}))

    def close(self) -> None:
        """Nothing stays open."""


class GrpcClient:
    """Asks over gRPC."""

    def __init__(self, server: RunningServer) -> None:
        self._channel = grpc.insecure_channel(
            server.urls["grpc"].removeprefix("grpc://"), [("grpc.max_receive_message_length", -1)]
        )

    def infer(self, model: str, *inputs: dict[str, Any], version: str | None = None, **members: Any) -> Reply:
        """Ask a model; `inputs` and `members` are those of the protocol in JSON, their data flat."""
        return self.send(bytes(message_of(model, *inputs, version=version, **members)))

    def send(self, message: bytes) -> Reply:
        """Send a message as it is."""
        try:
            answer = self._channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(message, timeout=60)
        except grpc.RpcError as error:
            return Reply(error.code().name, error.details())
        read = inference.ModelInferResponse.parse(answer)
        return Reply("OK", "", {output.name: _elements(output) for output in read.outputs}, read.id)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def message_of(
    model: str, *inputs: dict[str, Any], version: str | None = None, **members: Any
) -> inference.ModelInferRequest:
    """Return a message that says what a request in JSON says."""
    request = inference.ModelInferRequest(
        model_name=model,
        model_version=version or "",
        id=members.get("id", ""),
        parameters=_parameters(members.get("parameters")),
    )
    for tensor in inputs:
        contents = inference.InferTensorContents()
        elements = tensor.get("data", [])
        is_text = any(isinstance(element, str | bytes) for element in elements)
        name = "bytes_contents" if is_text else CONTENTS.get(tensor["datatype"], "int64_contents")
        if name == "bytes_contents":
            elements = [element.encode() if isinstance(element, str) else element for element in elements]
        setattr(contents, name, elements)
        request.inputs.append(
            inference.ModelInferRequestInferInputTensor(
                name=tensor["name"],
                datatype=tensor["datatype"],
                shape=tensor["shape"],
                parameters=_parameters(tensor.get("parameters")),
                contents=contents,
            )
        )
    for output in members.get("outputs", ()):
        request.outputs.append(inference.ModelInferRequestInferRequestedOutputTensor(name=output["name"]))
    return request


def reply_of(answer: HttpAnswer) -> Reply:
    """Return what an answer over REST says; the body of an error has to have its only form."""
    code = WORDS.get(answer.status, str(answer.status))
    read = answer.json()
    if answer.status != 200:
        assert answer.headers["content-type"].startswith("application/json")
        assert [*read] == ["error"]
        return Reply(code, read["error"])
    return Reply(code, "", {output["name"]: output["data"] for output in read["outputs"]}, read["id"])


def assert_refused(reply: Reply, *told: str, code: str = "INVALID_ARGUMENT") -> None:
    """Check that a client's mistake was told: the field, what was expected and what came, cut and without innards."""
    assert reply.code == code, reply
    for text in told:
        assert text in reply.message, reply.message
    assert len(reply.message) < 600, len(reply.message)
    assert not _TELLS_TOO_MUCH.search(reply.message), reply.message


def _parameters(given: dict[str, Any] | None) -> dict[str, inference.InferParameter]:
    kinds = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}
    return {
        name: inference.InferParameter(**{kinds[type(value)]: value})  # type: ignore[arg-type]
        for name, value in (given or {}).items()
    }


def _elements(output: Any) -> list[Any]:
    for name in CONTENTS.values():
        if found := getattr(output.contents, name):
            return list(found)
    return [element.decode() for element in output.contents.bytes_contents]
