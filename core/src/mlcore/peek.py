"""A look at what a request says of itself, without reading it: its urgency if it has to wait, its id for a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from mlcore_protocol import Limits
from mlcore_protocol.protobuf_format import PROTOBUF
from mlcore_protocol.protobuf_head import read_head

from mlcore.errors import InferenceError
from mlcore.request_parameters import LOWEST, priority_of, timeout_s_of

if TYPE_CHECKING:
    from mlcore.engine import Call

# Longer heads of JSON are not looked at, so that no request holds up the front; the model host reads everything.
_LONGEST = 64 * 1024


class _Head(msgspec.Struct):
    parameters: dict[str, Any] | None = None


class _Named(msgspec.Struct):
    id: str | None = None


_read = msgspec.json.Decoder(_Head).decode
_read_id = msgspec.json.Decoder(_Named).decode

_limits = Limits()


def may_have_time(call: Call) -> bool:
    """Say whether a call may name a time of its own, which costs a fraction of a microsecond.

    What is too long to be looked at does not, as far as the front is concerned.
    """
    length = len(call.body) if call.head_length is None else call.head_length
    if length > _LONGEST:
        return False
    whole = call.body if call.head_length is None else memoryview(call.body)[:length]
    return b"timeout" in (bytes(whole) if isinstance(whole, memoryview) else whole)


def urgency_of(call: Call) -> tuple[int, float | None]:
    """Return a call's rank and the seconds that it has, as far as that is seen: a lower rank comes first.

    What is wrong with a request is for the model host to say.
    """
    try:
        parameters = (
            read_head(call.body, _limits).parameters() if call.media_type == PROTOBUF else _json_parameters(call)
        )
        return priority_of(parameters), timeout_s_of(parameters)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InferenceError):
        return LOWEST, None


def id_of(call: Call) -> str | None:
    """Return the id that a call names itself by, as far as that is seen."""
    try:
        if call.media_type == PROTOBUF:
            return read_head(call.body, _limits).id
        head = _json_head(call)
        return None if head is None else _read_id(head).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InferenceError):
        return None


def _json_parameters(call: Call) -> dict[str, Any] | None:
    head = _json_head(call)
    return None if head is None else _read(head).parameters


def _json_head(call: Call) -> memoryview | None:
    length = len(call.body) if call.head_length is None else call.head_length
    if length > _LONGEST or not call.media_type.startswith("application/"):
        return None
    return memoryview(call.body)[:length]
