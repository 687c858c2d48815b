"""`ModelInfer`: the message goes to the model as it came, and its answer comes back as it is sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlcore.access.identity import without_authorization
from mlcore.engine import Call
from mlcore.logs import get_logger
from mlcore_protocol.limits import Limits
from mlcore_protocol.protobuf_format import PROTOBUF
from mlcore_protocol.protobuf_head import read_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcore.access.guard import Guard
    from mlcore.dispatcher import Dispatcher
    from mlcore_protocol import Buffer
    from mlcore_protocol.protobuf_head import ProtobufHead

    from transport_grpc.call import ServerCall
    from transport_grpc.header_block import Header

    Reading = Callable[[Buffer, ServerCall], tuple[Call, ProtobufHead]]

_LIMITS = Limits()

_HEADER_NAME = re.compile(rb"[0-9a-z_.\-]+")
_NOT_IN_VALUES = re.compile(rb"[^ -~]")
# What says how the answer itself travels, hence is not a model's to say.
_OWN_HEADERS = frozenset({b"connection", b"content-length", b"content-type", b"date", b"te", b"trailer", b"upgrade"})
# Clients end a call whose headers are larger than some 8 KB.
_MOST_HEADER_BYTES = 4096

log = get_logger("mlcore.grpc")


class Infer:
    """Answers `ModelInfer`.

    Args:
        dispatcher: Where calls go.
        read: Reads what a message asks.
    """

    def __init__(self, dispatcher: Dispatcher, read: Reading) -> None:
        self._infer = dispatcher.infer
        self._read = read

    async def __call__(self, call: ServerCall) -> None:
        """Answer one call."""
        body = await call.recv_message()
        request, _ = self._read(body, call)
        answer = await self._infer(request)
        await call.answer(answer.buffers, metadata_of(answer.headers) if answer.headers else ())


def request_of(body: Buffer, call: ServerCall) -> tuple[Call, ProtobufHead]:
    """Return what the dispatcher wants to know of a message, and the message's head.

    Raises:
        InferenceError: It is no request.
    """
    head = call.asked = read_head(body, _LIMITS)
    return Call(
        head.model_name,
        head.model_version,
        PROTOBUF,
        body,
        None,
        call.metadata,
        head.id or call.head.request_id,
        call.arrived,
        call.deadline,
        call.trace.carrier if call.trace is not None else None,
    ), head


def guarded(guard: Guard) -> Reading:
    """Return a `request_of` that refuses models which the call's client may not ask, and shows models no credentials.

    The model stands in the message, so that the call itself was let in for any that its client may ask.
    """

    def read(body: Buffer, call: ServerCall) -> tuple[Call, ProtobufHead]:
        request, head = request_of(body, call)
        assert call.identity is not None, "no method that asks a model is open"
        guard.check(call.identity, "infer", request.model)
        if call.method.streams_in and call.identity.limit is not None:
            call.identity.limit.spend()
        request.headers = without_authorization(call.metadata)
        return request, head

    return read


def metadata_of(headers: dict[str, str]) -> list[Header]:
    """Return a model's headers as metadata, without those that would contradict or break the answer itself."""
    metadata = []
    size = 0
    for name, value in headers.items():
        line = str(name).lower().encode("latin-1", "replace"), str(value).encode("latin-1", "replace")
        size += len(line[0]) + len(line[1])
        if (
            size > _MOST_HEADER_BYTES
            or line[0] in _OWN_HEADERS
            or line[0].startswith(b"grpc-")
            or line[0].endswith(b"-bin")
            or not _HEADER_NAME.fullmatch(line[0])
            or _NOT_IN_VALUES.search(line[1])
        ):
            log.warning("a header of the model was left out", header=repr(name)[:64])
        else:
            metadata.append(line)
    return metadata
