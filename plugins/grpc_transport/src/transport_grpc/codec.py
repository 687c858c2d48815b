"""Messages to bytes and back: betterproto2's, or none at all for what goes to a model untouched."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING, Any

import betterproto2
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from mlcore_protocol.protobuf_wire import MessageType, read_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore_protocol import Buffer

_KINDS: dict[str, type] = {
    betterproto2.TYPE_BOOL: bool,
    betterproto2.TYPE_STRING: str,
    betterproto2.TYPE_BYTES: bytes,
    betterproto2.TYPE_INT32: int,
    betterproto2.TYPE_INT64: int,
}


# Of everything but inference a message has a handful of fields.
_MOST_FIELDS = 256
_ANY = MessageType({})


class Untouched:
    """Stands for the type of messages that nobody opens here."""


def decode(body: Buffer, kind: type[Any]) -> Any:
    """Return the message that the bytes are; the bytes themselves where nobody opens them.

    Raises:
        GRPCError: They are no such message.
        InferenceError: They are no message at all.
    """
    if kind is Untouched:
        return body
    body = bytes(body)
    for _ in read_fields(body, 0, len(body), _ANY, "", _MOST_FIELDS):
        pass  # the decoder takes what is cut off, and spends some 30 us on each field, however small
    try:
        message = kind.parse(body)
        if _fits(message):
            return message
    except Exception:  # noqa: S110  # the decoder raises whatever its code happens to meet
        pass
    raise GRPCError(Status.INVALID_ARGUMENT, f"the message is no {kind.__name__}; is it made from another .proto?")


def encode(message: Any) -> Sequence[Buffer]:
    """Return the buffers of a message."""
    return message if type(message) is list else [bytes(message)]


@cache
def _fields(kind: Any) -> list[tuple[str, bool, type | None]]:
    metadata = [(field.name, betterproto2.FieldMetadata.get(field)) for field in dataclasses.fields(kind)]
    return [
        (
            name,
            bool(data.repeated),
            None if data.map_meta is not None else _KINDS.get(data.proto_type, betterproto2.Message),
        )
        for name, data in metadata
    ]


def _is_sound(value: Any) -> bool:
    return not isinstance(value, betterproto2.Message) or _fits(value)


def _fits(message: Any) -> bool:
    """Say whether every field holds what its type says: the decoder takes a number for a text if one comes."""
    for name, is_repeated, kind in _fields(type(message)):  # type: ignore[arg-type]  # a class is hashable
        value = getattr(message, name)
        if kind is None:
            if not all(isinstance(key, str) and _fits(member) for key, member in value.items()):
                return False
        elif is_repeated:
            if not all(isinstance(member, kind) for member in value):
                return False
        elif value is not None and not (isinstance(value, kind) and _is_sound(value)):
            return False
    return True
