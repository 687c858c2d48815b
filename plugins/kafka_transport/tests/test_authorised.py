"""Whose requests are answered, where the setting `auth` says whom the server knows."""

from hashlib import sha256

import pytest
import pytest_asyncio

from .topics import body, topics

pytestmark = pytest.mark.asyncio(loop_scope="module")


def key(text, *scopes):
    return {"name": text, "sha256": sha256(text.encode()).hexdigest(), "scopes": list(scopes)}


AUTH = {"api_keys": [key("any", "infer"), key("one", "infer:other"), key("none", "metadata")]}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def asked(broker, serve):
    async with topics(broker.address) as own, serve(own, auth=AUTH):
        yield own


async def test_a_request_with_a_key_is_answered(asked):
    record = await asked.ask(body(1.5), "let-in", authorization="Bearer any")

    assert record.topic == asked.output
    assert "authorization" not in record.headers


@pytest.mark.parametrize(
    ("name", "headers", "code"),
    [
        ("nothing", {}, b"unauthenticated"),
        ("wrong", {"authorization": "Bearer wrong"}, b"unauthenticated"),
        ("other", {"authorization": "Bearer one"}, b"permission_denied"),
        ("metadata", {"Authorization": "Bearer none"}, b"permission_denied"),
    ],
)
async def test_any_other_request_is_a_dead_letter_without_what_it_showed(asked, name, headers, code):
    record = await asked.ask(body(1.5), name, **headers)

    assert record.topic == asked.dead
    assert record.headers["mlcore-error-code"] == code
    assert not [name for name in record.headers if name.lower() == "authorization"]
    assert b"Bearer" not in b"".join(value for name, value in record.headers.items() if name != "mlcore-error")
