"""Versions that come, change and go, by hand and by the watch, in a real server with workers and under traffic."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
import grpc
from mlcore_protocol.protobuf import inference
from saying import say

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mlcore.testing.process import RunningServer

ASKED = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}


class Clients:
    """Ask the default version and the first one, again and again."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self.statuses: Counter[int] = Counter()
        self.said: dict[str, str] = {}

    async def ask(self, path: str) -> None:
        """Ask until cancelled."""
        while True:
            async with self._session.post(f"{self._url}/v2/models/{path}/infer", json=ASKED) as answer:
                body = await answer.json()
                self.statuses[answer.status] += 1
                self.said[path] = body["outputs"][0]["data"][0] if answer.status == 200 else body["error"]
            await asyncio.sleep(0.01)

    async def hear(self, path: str, text: str) -> None:
        """Wait until an answer is this one."""
        async with asyncio.timeout(120):
            while self.said.get(path) != text:
                await asyncio.sleep(0.01)


def volume(repository: Path, name: str, text: str) -> None:
    """Show another state of a volume, as Kubernetes does."""
    say(repository / name / "m", text, name="m", parameters={"version": "1"})
    (repository / "..data_tmp").symlink_to(name)
    (repository / "..data_tmp").rename(repository / "..data")


def load_over_grpc(server: RunningServer, version: str) -> None:
    parameter = inference.ModelRepositoryParameter(string_param=version)
    message = inference.RepositoryModelLoadRequest(model_name="m", parameters={"version": parameter})
    with grpc.insecure_channel(server.urls["grpc"].partition("://")[2]) as channel:
        load = channel.unary_unary("/inference.GRPCInferenceService/RepositoryModelLoad", bytes)
        load(message, timeout=120)


async def test_no_request_fails_while_versions_come_change_and_go(
    repository: Path, start: Callable[..., RunningServer]
) -> None:
    volume(repository, "..2026_01", "one")
    (repository / "m").symlink_to("..data/m")
    say(repository / "next", "two", name="m", parameters={"version": "2"})
    (repository / "settings.json").write_text(json.dumps({"watch": True, "watch_settle": 0.2}))
    server = await asyncio.to_thread(start, "--parallel-workers", "2")

    async def post(path: str) -> Any:
        answer = await asyncio.to_thread(server.post, f"/v2/repository/{path}")
        assert answer.status == 200
        return answer.json() if answer.body else None

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        clients = Clients(server.url, session)
        asking = [group.create_task(clients.ask(path)) for path in ("m", "m/versions/1")]
        await clients.hear("m", "two")

        volume(repository, "..2026_02", "one, later")
        await clients.hear("m/versions/1", "one, later")

        say(repository / "next", "two", load="1 / 0", name="m", parameters={"version": "2"})
        async with asyncio.timeout(120):
            while "ZeroDivisionError" not in (state := (await post("index"))[1])["reason"]:
                await asyncio.sleep(0.05)
        assert (state["version"], state["state"]) == ("2", "READY")
        assert clients.said["m"] == "two"
        say(repository / "next", "two, mended", name="m", parameters={"version": "2"})
        await clients.hear("m", "two, mended")

        await post("models/m/versions/2/unload")
        await clients.hear("m", "one, later")
        await asyncio.to_thread(load_over_grpc, server, "2")
        await clients.hear("m", "two, mended")
        say(repository / "newest", "three", name="m", parameters={"version": "10"})
        await clients.hear("m", "three")
        for task in asking:
            task.cancel()

    assert set(clients.statuses) == {200}
    assert clients.statuses[200] > 20
    assert await asyncio.to_thread(server.stop) == 0
