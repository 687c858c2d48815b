"""What the front and a worker say to each other: a fixed header, a few facts in msgpack, and bytes. Never a pickle."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any

import msgspec
from mlcore_protocol import Buffer

HEADER = struct.Struct("<BxxxIIiQQ")
"""Kind, number of the exchange, bytes of the facts, bytes of the payload's JSON head or -1, bytes of the payload, and
where it starts in the shared area, or 0 if it follows the facts."""

AHEAD = 16
"""Answers of one stream that a worker sends before somebody has taken them."""


class Kind(IntEnum):
    """What a frame is for. An exchange is opened by the front, and its answers carry its number.

    What a worker measures belongs to no exchange.
    """

    SETTINGS = 1
    LOAD = 2
    UNLOAD = 3
    INFER = 4
    STREAM = 5
    CANCEL = 6
    MORE = 7
    FLUSH = 8
    ANSWER = 16
    ITEM = 17
    END = 18
    FAILURE = 19
    TELEMETRY = 20


KINDS = {kind.value: kind for kind in Kind}
"""The kinds by their numbers; to ask the class costs several times as much."""


class Frame(msgspec.Struct):
    """One message.

    Attributes:
        kind: What it is for.
        number: The exchange that it belongs to.
        facts: Plain data, by kind.
        head_length: Bytes of the JSON head in front of binary tensors, where the payload has one.
        payload: Bytes that nobody in between looks at.
    """

    kind: Kind
    number: int
    facts: Any = None
    head_length: int | None = None
    payload: Buffer = b""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_NO_FACTS = _encode(None)


def head_of(
    kind: Kind, number: int, facts: Any, head_length: int | None, payload_length: int, payload_start: int
) -> bytes:
    """Return the header and the facts of a frame."""
    packed = _NO_FACTS if facts is None else _encode(facts)
    head = -1 if head_length is None else head_length
    return HEADER.pack(kind, number, len(packed), head, payload_length, payload_start) + packed


def facts_of(packed: Buffer) -> Any:
    """Return the facts that a frame holds."""
    return _decode(packed)
