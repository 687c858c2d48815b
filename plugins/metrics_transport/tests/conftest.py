"""A server with its metrics on a free port, and a client of both."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mlcore import MLModel, ModelSettings, Server
from mlcore.types import InferenceRequest, InferenceResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

X = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}


class Quiet(MLModel):
    """Answers with nothing."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        if payload.inputs[0].name == "bug":
            raise KeyError("a bug")
        return InferenceResponse(model_name=self.name, outputs=[])


class Served:
    """A server that runs, and its clients."""

    def __init__(self, server: Server, client: httpx.AsyncClient) -> None:
        self.server = server
        self.client = client

    async def ask(self, name: str = "x", path: str = "/v2/models/quiet/infer") -> httpx.Response:
        return await self.client.post(self.server.url("rest") + path, json={"inputs": [{**X, "name": name}]})

    async def scrape(self, path: str = "/metrics", **headers: str) -> httpx.Response:
        return await self.client.get(self.server.url("metrics") + path, headers=headers)

    async def samples(self) -> dict[str, float]:
        """Return each line of the metrics: its name and labels, and its value."""
        lines = (await self.scrape()).text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[..., Any]:
    """Return a function that runs a server of the model, in this process."""
    monkeypatch.chdir(tmp_path)

    @asynccontextmanager
    async def serve(**options: Any) -> AsyncIterator[Served]:
        given = {"transports": ["rest", "metrics"], "parallel_workers": 0, "http_port": 0, "metrics_port": 0}
        async with (
            Server(models=[ModelSettings(name="quiet", implementation=Quiet)], **{**given, **options}) as server,
            httpx.AsyncClient(limits=httpx.Limits(max_connections=200), timeout=60) as client,
        ):
            yield Served(server, client)

    return serve
