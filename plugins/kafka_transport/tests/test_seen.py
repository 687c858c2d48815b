"""What one sees of messages: spans, metrics and lines of the access log, of a server in a process of its own."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request

import pytest_asyncio
from collector import over_http
from mlcore.testing import start_server

from .topics import PATIENCE_S, body, eventually, topics

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest_asyncio.fixture
async def seen(broker, tmp_path):
    model = tmp_path / "echo"
    model.mkdir()
    (model / "model-settings.json").write_text('{"name": "echo", "implementation": "my_model.Echo"}')
    (model / "my_model.py").write_text(
        "from mlcore import MLModel\n"
        "from mlcore.types import InferenceResponse\n\n\n"
        "class Echo(MLModel):\n"
        "    def predict(self, payload):\n"
        "        return InferenceResponse(model_name=self.name, outputs=[])\n"
    )
    collector, stop = over_http()
    async with topics(broker.address) as own:
        settings = {**own.settings, "access_log": 1, "transports": ["kafka", "metrics"], "parallel_workers": 0}
        (tmp_path / "settings.json").write_text(json.dumps(settings))
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        server = await asyncio.to_thread(start_server, tmp_path, "--json-logs", env=variables)
        own.server, own.collector = server, collector
        yield own
        assert await asyncio.to_thread(server.stop) == 0
        stop()


async def test_a_message_is_a_span_a_line_and_a_number(seen):
    good = await seen.ask(body(1), "good", traceparent=f"00-{TRACE}-{PARENT}-01")
    await seen.ask(b"{", "bad", x_request_id="bad-id")

    spans = seen.collector
    await asyncio.to_thread(spans.wait, lambda: spans.named(f"process {seen.input}") and spans.named("predict"))
    span = next(known for known in spans.named(f"process {seen.input}") if known.trace_id == TRACE)
    assert span.parent_id == PARENT
    assert spans.one("predict").parent_id == span.span_id
    assert span.attributes["messaging.system"] == "kafka"
    assert span.attributes["mlcore.model"] == "echo"
    assert good.headers["traceparent"].decode() == f"00-{TRACE}-{span.span_id}-01"

    await eventually(lambda: len(requests(seen.server)) == 2)
    good_line, bad_line = requests(seen.server)["good"], requests(seen.server)["bad-id"]
    assert (good_line["status"], bad_line["status"]) == ("ok", "invalid_argument")
    assert good_line["model"] == "echo"
    assert re.fullmatch(rf"{seen.input}/\d+/\d+", good_line["path"])

    topic = f'messaging_destination_name="{seen.input}"'
    wanted = {
        f'messaging_process_duration_seconds_count{{{topic},outcome="ok"}} 1.0',
        f'messaging_process_duration_seconds_count{{{topic},outcome="invalid_argument"}} 1.0',
        f"mlcore_kafka_messages_active{{{topic}}} 0.0",
        f'mlcore_kafka_lag{{{topic},partition="0"}} 0.0',
        f'mlcore_kafka_lag{{{topic},partition="1"}} 0.0',
    }
    async with asyncio.timeout(PATIENCE_S):
        while not wanted <= set(await asyncio.to_thread(scraped, seen.server.urls["metrics"] + "/metrics")):
            await asyncio.sleep(0.1)


def requests(server):
    """Return the lines of the access log so far, by the ids of their requests."""
    lines = [json.loads(line) for line in list(server.log) if line.startswith("{")]
    return {line["request_id"]: line for line in lines if line["event"] == "request"}


def scraped(url):
    """Return the lines of the metrics."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode().splitlines()
