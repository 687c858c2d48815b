"""A server whose folder is at hand, and operators that change its models over REST and over gRPC in the same words."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import grpc
from many import MODEL
from mlcore_protocol.protobuf import inference

from .asking import WORDS, GrpcClient, Reply, RestClient

if TYPE_CHECKING:
    from pathlib import Path

    from mlcore.testing.process import HttpAnswer, RunningServer

_SERVICE = "/inference.GRPCInferenceService"


@dataclass
class Operated:
    """A server, and the folder that it serves.

    Attributes:
        server: The server.
        folder: Its folder.
    """

    server: RunningServer
    folder: Path

    def write(self, place: str, code: str = MODEL, **settings: Any) -> Path:
        """Write the folder of a model, and return it."""
        folder = self.folder / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "many.py").write_text(code)
        text = json.dumps({"name": folder.name, "implementation": "many.Many", **settings})
        (folder / "model-settings.json").write_text(text)
        return folder

    def forget(self, *names: str) -> None:
        """Remove the folders of models, and let the server forget them."""
        for name in names:
            shutil.rmtree(self.folder / name, ignore_errors=True)
            assert self.server.post(f"/v2/repository/models/{quote(name, safe='')}/load").status == 404


class RestOperator(RestClient):
    """Operates over REST."""

    def load(self, name: str, **parameters: Any) -> Reply:
        """Load a model."""
        return self._change(name, "load", parameters)

    def unload(self, name: str, **parameters: Any) -> Reply:
        """Unload a model."""
        return self._change(name, "unload", parameters)

    def states(self) -> dict[str, tuple[str, str]]:
        """Return the state of each model, and the reason for it."""
        listed = self._server.post("/v2/repository/index").json()
        return {item["name"]: (item["state"], item.get("reason") or "") for item in listed}

    def ready(self, name: str) -> Reply:
        """Ask whether a model is ready."""
        return _said(self._server.get(f"/v2/models/{quote(name, safe='')}/ready"))

    def _change(self, name: str, verb: str, parameters: dict[str, Any]) -> Reply:
        path = f"/v2/repository/models/{quote(name, safe='')}/{verb}"
        return _said(self._server.post(path, {"parameters": parameters}))


class GrpcOperator(GrpcClient):
    """Operates over gRPC."""

    def load(self, name: str, **parameters: Any) -> Reply:
        """Load a model."""
        return self.call("RepositoryModelLoad", bytes(_change(inference.RepositoryModelLoadRequest, name, parameters)))

    def unload(self, name: str, **parameters: Any) -> Reply:
        """Unload a model."""
        message = _change(inference.RepositoryModelUnloadRequest, name, parameters)
        return self.call("RepositoryModelUnload", bytes(message))

    def states(self) -> dict[str, tuple[str, str]]:
        """Return the state of each model, and the reason for it."""
        answer = self._channel.unary_unary(f"{_SERVICE}/RepositoryIndex")(b"", timeout=60)
        listed = inference.RepositoryIndexResponse.parse(answer).models
        return {item.name: (item.state, item.reason) for item in listed}

    def ready(self, name: str) -> Reply:
        """Ask whether a model is ready."""
        return self.call("ModelReady", bytes(inference.ModelReadyRequest(name=name)))

    def call(self, method: str, message: bytes) -> Reply:
        """Send a message as it is."""
        try:
            self._channel.unary_unary(f"{_SERVICE}/{method}")(message, timeout=60)
        except grpc.RpcError as error:
            return Reply(error.code().name, error.details())
        return Reply("OK")


def _said(answer: HttpAnswer) -> Reply:
    code = WORDS.get(answer.status, str(answer.status))
    if answer.status == 200:
        return Reply(code)
    assert [*answer.json()] == ["error"]
    return Reply(code, answer.json()["error"])


def _change(kind: Any, name: str, parameters: dict[str, Any]) -> Any:
    given = {key: inference.ModelRepositoryParameter(string_param=value) for key, value in parameters.items()}
    return kind(model_name=name, parameters=given)
