"""Messages that are compressed, in and out."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import TYPE_CHECKING

from grpclib.const import Status
from grpclib.exceptions import GRPCError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlcore_protocol import Buffer

ACCEPTED = (b"grpc-accept-encoding", b"identity, deflate, gzip")

_WINDOW_BITS = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}

# The fastest level: on numbers the higher ones cost several times as much for a few per cent.
_LEVEL = 1
_PACKERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": lambda message: gzip.compress(message, _LEVEL, mtime=0),
    b"deflate": lambda message: zlib.compress(message, _LEVEL),
}

# Up to this many bytes, which are a few milliseconds of work at worst, the event loop works itself.
_SHORT_PACKED = 8 * 1024
_SHORT = 64 * 1024
_SLICE = 64 * 1024


def is_known(encoding: bytes) -> bool:
    """Say whether messages may be compressed so."""
    return encoding in _PACKERS or encoding == b"identity"


async def unpacked(message: Buffer, encoding: bytes | None, limit: int) -> Buffer:
    """Return what a compressed message holds.

    Raises:
        GRPCError: It holds more than `limit` bytes, or is not what its call's `grpc-encoding` says.
    """
    if encoding not in _PACKERS:
        raise GRPCError(Status.INTERNAL, "a message is flagged as compressed, but grpc-encoding does not say how")
    if len(message) <= _SHORT_PACKED:
        return _unpacked(message, encoding, limit)
    return await asyncio.to_thread(_unpacked, message, encoding, limit)


async def packed(buffers: Sequence[Buffer], encoding: bytes) -> bytes:
    """Return a message, compressed."""
    message = b"".join(buffers)
    if len(message) <= _SHORT:
        return _PACKERS[encoding](message)
    return await asyncio.to_thread(_PACKERS[encoding], message)


def _unpacked(message: Buffer, encoding: bytes, limit: int) -> bytearray:
    unpacker = zlib.decompressobj(_WINDOW_BITS[encoding])
    whole = bytearray()
    view = memoryview(message)
    for start in range(0, len(view), _SLICE):
        try:
            whole += unpacker.decompress(view[start : start + _SLICE], limit + 1 - len(whole))
        except zlib.error as error:
            raise _not_packed(encoding, str(error)) from None
        if len(whole) > limit:
            raise too_large(limit)
        if unpacker.unused_data:
            break
    if not unpacker.eof or unpacker.unused_data:
        raise _not_packed(encoding, "it is cut off, or something follows it")
    return whole


def _not_packed(encoding: bytes, why: str) -> GRPCError:
    return GRPCError(Status.INVALID_ARGUMENT, f"the message is not what grpc-encoding says, {encoding.decode()}: {why}")


def too_large(limit: int) -> GRPCError:
    """Return what a client is told of a message over its limit."""
    return GRPCError(
        Status.RESOURCE_EXHAUSTED, f"the message is larger than {limit} bytes, the setting grpc_max_message_length"
    )
