"""Whoever serves from Python sets up the SDK himself: the spans of the server and its workers go to his processors."""

from __future__ import annotations

import json

import pytest

MODEL = """
from mlcore import MLModel
from mlcore.codecs import NumpyCodec
from mlcore.types import InferenceResponse
from opentelemetry import trace

tracer = trace.get_tracer("mine")


class MyModel(MLModel):
    def answer(self, payload):
        with tracer.start_as_current_span("mine"):
            return InferenceResponse(model_name=self.name, outputs=[])

    async def predict(self, payload):
        return self.answer(payload)

    def predict_stream(self, payloads):
        for payload in payloads:
            for _ in range(3):
                yield self.answer(payload)
            if self.name == "failing":
                raise ValueError("payload 4711")
"""

PROGRAM = """
import asyncio, json, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

from mlcore import Server
from mlcore.engine import Call
from mlcore.telemetry.tracing import carrier

BODY = json.dumps({"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}]}).encode()


def call(name, is_traced=True):
    return Call(name, None, "application/json", BODY, trace=carrier() if is_traced else None)


async def main():
    count = 0
    async with Server(sys.argv[1], transports=[], parallel_workers=int(sys.argv[2])) as server:
        with trace.get_tracer("test").start_as_current_span("test"):
            stream = call("streaming")
            broken = call("failing")
            await server.dispatcher.infer(call("streaming"))
        await server.dispatcher.infer(call("streaming", is_traced=False))
        async for _ in server.dispatcher.stream(stream):
            count += 1
        try:
            async for _ in server.dispatcher.stream(broken):
                count += 1
        except Exception:
            pass
    print(json.dumps([count, [
        [span.name, span.context.span_id, span.parent and span.parent.span_id, span.status.status_code.name,
         [[event.name, dict(event.attributes)] for event in span.events]]
        for span in exporter.get_finished_spans()
    ]]))


asyncio.run(main())
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_stream_is_one_span_with_the_number_of_its_answers(run, model, repository, workers):
    model("streaming", MODEL)
    model("failing", MODEL)
    done = run(repository, workers, program=PROGRAM)

    assert done.returncode == 0, done.stderr
    count, spans = json.loads(done.stdout)
    assert count == 6
    ids = {name: own for name, own, *_ in spans if name == "test"}
    predicts = [span for span in spans if span[0] == "predict"]
    assert [parent for _, _, parent, *_ in predicts] == [ids["test"]] * 3
    one, stream, broken = predicts
    assert (one[3], one[4]) == ("UNSET", [])
    assert (stream[3], stream[4]) == ("UNSET", [["answers", {"mlcore.answers": 3}]])
    assert broken[3] == "ERROR"
    assert broken[4] == [["exception", {"exception.type": "ValueError"}], ["answers", {"mlcore.answers": 3}]]
    mine = [parent for name, _, parent, *_ in spans if name == "mine" and parent is not None]
    assert sorted(mine) == sorted([one[1], *[stream[1]] * 3, *[broken[1]] * 3])
    assert sum(name == "decode" for name, *_ in spans) == 3
    assert "4711" not in done.stdout
