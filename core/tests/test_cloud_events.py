"""CloudEvents headers: what requests and answers carry, and that nothing does unless it is asked for."""

from __future__ import annotations

import json
from typing import Any

from mlcore import MLModel, ModelSettings, Server
from mlcore.cloud_events import cloud_events
from mlcore.engine import Call
from mlcore.settings import Settings
from mlcore.types import InferenceRequest, InferenceResponse, Parameters

ONE = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}


class Telling(MLModel):
    """Remembers the headers that it was asked with, and answers with one of its own."""

    def load(self) -> None:
        self.seen: list[Any] = []
        self.settings.parameters.extra["seen"] = self.seen

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        self.seen.append(payload.parameters.get("headers") if payload.parameters else None)
        return InferenceResponse(model_name=self.name, outputs=[], parameters=Parameters(headers={"x-own": "yes"}))


async def headers_of(options: dict[str, Any], request_id: str = "r-1", model: dict[str, Any] | None = None) -> Any:
    """Return the headers of an answer, and those that the model saw."""
    settings = ModelSettings(name="m", implementation=Telling, **(model or {}))
    async with Server(models=[settings], transports=[], parallel_workers=0, **options) as server:
        body = json.dumps({"id": request_id, "inputs": [ONE]}).encode()
        answer = await server.dispatcher.infer(Call("m", None, "application/json", body, headers=[(b"x-a", b"b")]))
        return answer.headers, settings.parameters.extra["seen"][-1]


async def test_answers_have_no_such_headers_unless_the_setting_asks_for_them() -> None:
    headers, seen = await headers_of({})

    assert headers == {"x-own": "yes"}
    assert seen == {"x-a": "b"}


async def test_answers_and_requests_carry_them_where_it_does() -> None:
    headers, seen = await headers_of({"cloud_events": True, "server_name": "shop"})

    events = {
        "Ce-Specversion": "0.3",
        "Ce-Source": "io.seldon.serving.deployment.shop",
        "Ce-Modelid": "m",
        "Ce-Inferenceservicename": "shop",
        "Ce-Endpoint": "m",
        "Ce-Id": "r-1",
        "Ce-Requestid": "r-1",
    }
    assert headers == {"x-own": "yes", **events, "Ce-Type": "io.seldon.serving.inference.response"}
    assert seen == {"x-a": "b", **events, "Ce-Type": "io.seldon.serving.inference.request"}


async def test_answers_from_the_cache_carry_those_of_their_own_request() -> None:
    settings = ModelSettings(name="m", implementation=Telling, cache_enabled=True)
    options = {"cloud_events": True, "cache_enabled": True, "parallel_workers": 0}
    async with Server(models=[settings], transports=[], **options) as server:
        ids = []
        for request_id in ("a", "b"):
            body = json.dumps({"id": request_id, "inputs": [ONE]}).encode()
            call = Call("m", None, "application/json", body, headers=[(b"x-client", request_id.encode())])
            answer = await server.dispatcher.infer(call)
            ids.append(answer.headers and answer.headers["Ce-Id"])

    assert ids == ["a", "b"]
    assert settings.parameters.extra["seen"] == [None]


async def test_the_namespace_of_a_pod_is_told(tmp_path) -> None:
    (tmp_path / "namespace").write_text("team\n")

    async def predict(request: InferenceRequest) -> InferenceResponse:
        return InferenceResponse(model_name="m", outputs=[])

    settings = ModelSettings(name="m", implementation=Telling)
    wrapped = cloud_events(settings, Settings(), tmp_path / "namespace")(predict)
    response = await wrapped(InferenceRequest(id="r", inputs=[]))

    assert response.parameters is not None
    headers = response.parameters["headers"]
    assert headers["Ce-Namespace"] == "team"
    assert headers["Ce-Source"] == "io.seldon.serving.deployment.mlcore.team"


async def test_what_a_client_writes_as_headers_does_not_reach_the_model() -> None:
    settings = ModelSettings(name="m", implementation=Telling)
    async with Server(models=[settings], transports=[], parallel_workers=0) as server:
        for headers in ([], [(b"x-real", b"1")]):
            body = json.dumps({"inputs": [ONE], "parameters": {"headers": {"x-fake": "1"}}}).encode()
            await server.dispatcher.infer(Call("m", None, "application/json", body, headers=headers))

    assert settings.parameters.extra["seen"] == [None, {"x-real": "1"}]
