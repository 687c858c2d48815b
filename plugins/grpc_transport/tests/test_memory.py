"""What hostile messages cost in memory: B089 and B091 of our list, against a server in a process of its own.

The process of the tests cannot be measured: clients, other servers and what pytest keeps live in it, too. Each attack
is four times what its test allows, and more.
"""

from __future__ import annotations

import json
import zlib

import pytest
from memory import peak_memory
from mlcore.testing import start_server

from .wire import Wire, assert_well, framed, request

OK, RESOURCE_EXHAUSTED = 0, 8
LIMIT = 4 * 2**20
MODEL = """
from mlcore import MLModel
from mlcore.codecs import StringCodec
from mlcore.types import InferenceResponse


class Doing(MLModel):
    async def predict(self, payload):
        (text,) = self.decode(payload.inputs[0], StringCodec)
        said = StringCodec.encode_output("said", [text.removeprefix("say ")])
        return InferenceResponse(model_name=self.name, outputs=[said])
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return a server in a process of its own, which has unpacked the largest message that it takes."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "doing.py").write_text(MODEL)
    settings = {"name": "doing", "implementation": "doing.Doing"}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    variables = {"MLCORE_TRANSPORTS": '["grpc"]', "MLCORE_GRPC_MAX_MESSAGE_LENGTH": str(LIMIT)}
    running = start_server(folder, "--parallel-workers", "0", env=variables)
    yield running
    running.stop()


@pytest.fixture
def wire(alone):
    address = alone.urls["grpc"].removeprefix("grpc://")
    made = Wire(address)
    full = request("say hello")
    made.send(made.head(1), made.body(1, framed(full)))
    assert made.over(1) == OK
    yield made
    made.close()
    assert_well(address)


@pytest.fixture
def costs(alone):
    """Return a function that says how many bytes the server's memory has grown since the test began."""
    before = peak_memory(alone.process.pid)
    return lambda: peak_memory(alone.process.pid) - before


def test_b089_what_follows_a_message_that_announced_too_much_is_not_kept(wire, costs):
    wire.send(wire.head(3), wire.body(3, b"\x00\xff\xff\xff\xff", ends=False))
    assert wire.over(3) == RESOURCE_EXHAUSTED
    piece = wire.body(3, b"x" * 16_000, ends=False).serialize()
    for _ in range(128):
        wire.send(piece * 66)
    wire.ask(5, "say hello")

    assert wire.over(5) == OK
    assert costs() < 32 * 2**20, "a quarter of what was sent"


def test_b089_what_is_only_announced_takes_no_memory(wire, costs):
    for number in range(3, 203, 2):
        wire.send(wire.head(number), wire.body(number, b"\x00" + LIMIT.to_bytes(4, "big") + b"x" * 100, ends=False))
    wire.send(*(wire.reset(number) for number in range(3, 23, 2)))
    wire.ask(203, "say hello")

    assert wire.over(203) == OK
    assert costs() < 100 * LIMIT / 4


def test_b091_a_bomb_is_not_unpacked(wire, costs):
    packer = zlib.compressobj(1, wbits=31)
    first, again = (packer.compress(bytes(2**23)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    wire.send(wire.head(3, headers=[(b"grpc-encoding", b"gzip")]))
    bomb = framed(first + again * 31, flag=1)
    wire.send(*(wire.body(3, bomb[at : at + 16_000], ends=False) for at in range(0, len(bomb), 16_000)))
    wire.send(wire.body(3, b""))

    assert wire.over(3) == RESOURCE_EXHAUSTED
    assert "grpc_max_message_length" in wire.message(3)
    assert costs() < 64 * 2**20, "a quarter of what it would unpack to"
