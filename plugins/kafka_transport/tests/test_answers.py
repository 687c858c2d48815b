"""What is written for a request: its answer, or its dead letter. One server for all of these tests."""

from __future__ import annotations

import json

import numpy as np
import pytest
import pytest_asyncio

from .topics import body, said, topics

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT = 200_000
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def asked(broker, serve):
    async with topics(broker.address) as own, serve(own, max_body_bytes=LIMIT, kafka_max_attempts=3) as server:
        own.server = server
        yield own


async def test_an_answer_has_the_key_the_id_and_the_trace_of_its_request(asked):
    record = await asked.ask(body(1.5), "k", x_request_id="my-id", traceparent=TRACE, tracestate="a=b")

    assert record.topic == asked.output
    assert record.json()["outputs"][0]["data"] == [1.5]
    assert record.json()["id"] == "my-id"
    assert record.headers == {
        "content-type": b"application/json",
        "mlcore-model": b"echo",
        "x-request-id": b"my-id",
        "traceparent": TRACE.encode(),
        "tracestate": b"a=b",
    }


async def test_the_key_is_the_id_of_a_request_that_names_none(asked):
    record = await asked.ask(body(1), "a-key")

    assert record.json()["id"] == "a-key"


async def test_a_request_without_key_is_answered_under_its_id(asked):
    await asked.write(body(1, id="in-the-body"))
    await asked.write(body(1), x_request_id="in-a-header")

    assert (await asked.answer("in-the-body")).json()["id"] == "in-the-body"
    assert (await asked.answer("in-a-header")).json()["id"] == "in-a-header"


async def test_the_names_of_mlservers_headers_are_known(asked):
    record = await asked.ask(body(1), model=None, mlserver_model="echo", mlserver_method="infer")

    assert record.topic == asked.output


async def test_a_version_is_asked_for(asked):
    record = await asked.ask(body(1), mlcore_version="9")

    assert record.topic == asked.dead
    assert record.headers["mlcore-error-code"] == b"not_found"
    assert b"version 9" in record.headers["mlcore-error"]


async def test_binary_tensors_come_and_go_behind_a_json_head(asked):
    numbers = np.arange(6, dtype=np.float32)
    head = json.dumps(
        {
            "inputs": [
                {"name": "x", "shape": [6], "datatype": "FP32", "parameters": {"binary_data_size": numbers.nbytes}}
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()

    record = await asked.ask(
        head + numbers.tobytes(),
        content_type="application/octet-stream",
        inference_header_content_length=str(len(head)),
    )

    assert record.headers["content-type"] == b"application/octet-stream"
    length = int(record.headers["inference-header-content-length"])
    assert np.frombuffer(record.value[length:], np.float32).tolist() == numbers.tolist()


async def test_headers_go_to_the_model_and_come_from_it(asked):
    record = await asked.ask(said("headers"), model="doing", X_In="hello")

    assert record.json()["outputs"][0]["data"] == ["hello"]
    assert record.headers["X-Out"] == b"yes"
    assert record.headers["content-type"] == b"application/json"
    assert record.headers["mlcore-model"] == b"doing"


@pytest.mark.parametrize(
    ("value", "headers", "code", "reason"),
    [
        (b"{", {}, "invalid_argument", "the body is not valid JSON"),
        (b"", {}, "invalid_argument", "the body is"),
        (None, {}, "invalid_argument", "the message has no value; expected the request"),
        (
            body(1),
            {"inference_header_content_length": "9" * 12},
            "invalid_argument",
            "header inference-header-content-length: expected 0 to",
        ),
        (body(1), {"model": None}, "invalid_argument", "header mlcore-model: missing; it names the model"),
        (body(1), {"model": "nobody"}, "not_found", "Model nobody not found"),
        (body(1), {"mlserver_model": "doing"}, "invalid_argument", "headers mlcore-model and mlserver-model differ"),
        (body(1), {"mlcore_version": b"\xff"}, "invalid_argument", "header mlcore-version: expected text in UTF-8"),
        (body(1), {"mlserver_method": "explain"}, "invalid_argument", "expected infer, got 'explain'"),
        (body(1), {"content_type": "text/csv"}, "unsupported_media_type", "the media type 'text/csv' is not one of"),
        (body(1), {"inference_header_content_length": "-1"}, "invalid_argument", "expected the bytes of the JSON head"),
        (body(1), {"note": "x" * 70_000}, "payload_too_large", "the headers have"),
        (b" " * (LIMIT + 1), {}, "payload_too_large", "the setting max_body_bytes"),
        (said("fail wrong"), {"model": "doing"}, "invalid_argument", "the input is wrong"),
        (said("fail teapot"), {"model": "doing"}, "internal", "short and stout"),
        (said("fail text"), {"model": "doing"}, "invalid_argument", "naïve ?"),
        (said("fail unforeseen"), {"model": "doing"}, "internal", "the model 'doing' failed on this request"),
        (said("fail always"), {"model": "doing"}, "unavailable", "not now"),
        (said(f"large {LIMIT + 300_000}"), {"model": "doing"}, "payload_too_large", "than topic"),
    ],
)
async def test_a_request_without_an_answer_is_a_dead_letter_that_says_why(asked, value, headers, code, reason):
    record = await asked.ask(value, **headers)

    assert record.topic == asked.dead
    assert record.value == (value or b"")
    assert record.headers["mlcore-error-code"].decode() == code
    assert reason in record.headers["mlcore-error"].decode()
    assert record.headers["mlcore-error-topic"].decode() == asked.input
    assert {"mlcore-error-partition", "mlcore-error-offset", "mlcore-error-attempts"} <= set(record.headers)
    for name, text in headers.items():
        if text is not None and name != "model":
            assert record.headers[name.replace("_", "-")] in (text, text if isinstance(text, bytes) else text.encode())


async def test_no_dead_letter_is_an_answer_too(asked):
    record = await asked.ask(b"{", "poison")
    await asked.ask(body(1))

    assert [(other.topic, other.key) for other in asked.read if other.key == b"poison"] == [(asked.dead, b"poison")]
    assert record.headers["mlcore-error-attempts"] == b"1"


async def test_a_dead_letter_can_be_written_again(asked):
    first = await asked.ask(body(1), "again", model="nobody")
    await asked.write(first.value, "again-2", model="nobody", **{"mlcore-error": "old", "mlcore-error-extra": "old"})

    second = await asked.answer("again-2")

    assert second.headers.keys() == first.headers.keys()
    assert b"Model nobody" in second.headers["mlcore-error"]


@pytest.mark.parametrize("kind", ["overloaded", "unavailable"])
async def test_a_model_that_does_not_answer_now_is_asked_again(asked, kind):
    record = await asked.ask(said(f"twice {kind}"), model="doing")

    assert record.topic == asked.output
    assert asked.server.doing.asked.count(f"twice {kind}") == 3


async def test_a_model_that_never_answers_is_asked_so_often(asked):
    record = await asked.ask(said("fail busy"), model="doing")

    assert record.headers["mlcore-error-attempts"] == b"3"
    assert asked.server.doing.asked.count("fail busy") == 3
