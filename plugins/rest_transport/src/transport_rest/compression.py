"""Compresses answers for clients that accept it, whichever route they come from."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport_rest.asgi import App, Message, Receive, Scope, Send

# The fastest level: on numbers the higher ones cost several times as much for a few per cent.
_LEVEL = 1
# Above this, compressing takes long enough to leave the event loop for it.
_LONG = 64 * 1024
# So much of a long binary answer is tried first: the bytes of most tensors hardly get smaller.
_SAMPLE = 16 * 1024
_WORTH_IT = 0.8

# By preference, where a client likes them equally.
_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: gzip.compress(body, _LEVEL, mtime=0),
    "deflate": lambda body: zlib.compress(body, _LEVEL),
}


def compressing(app: App, min_bytes: int) -> App:
    """Wrap an app so that its whole answers of at least `min_bytes` are compressed where the client accepts it.

    Streams pass as they are.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        coding = None
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                coding = _chosen(value)
                break
        if coding is None or scope["method"] == "HEAD":
            await app(scope, receive, send)
        else:
            await app(scope, receive, _Packing(send, coding, min_bytes))

    return wrapped


class _Packing:
    """ASGI's `send`, which holds an answer back until it is whole.

    Args:
        send: Where it is sent.
        coding: How it is packed.
        min_bytes: The least bytes that are packed.
    """

    def __init__(self, send: Send, coding: str, min_bytes: int) -> None:
        self._send = send
        self._coding = coding
        self._min_bytes = min_bytes
        self._start: Message | None = None
        self._pieces: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._is_packable(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._pieces.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._pack(self._start)

    def _is_packable(self, start: Message) -> bool:
        length = None
        for name, value in start["headers"]:
            if name == b"content-length":
                length = int(value)
            elif name in (b"content-encoding", b"connection"):  # packed already, or to be sent at once
                return False
        return length is not None and length >= self._min_bytes

    async def _pack(self, start: Message) -> None:
        body = b"".join(self._pieces)
        headers = [line for line in start["headers"] if line[0] != b"content-length"]
        headers.append((b"vary", b"Accept-Encoding"))
        pack = _PACKERS[self._coding]
        if (b"content-type", b"application/octet-stream") not in headers or _shrinks(body, pack):
            body = pack(body) if len(body) < _LONG else await asyncio.to_thread(pack, body)
            headers.append((b"content-encoding", self._coding.encode()))
        headers.append((b"content-length", b"%d" % len(body)))
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _shrinks(body: bytes, pack: Callable[[bytes], bytes]) -> bool:
    if len(body) < _LONG:
        return True
    middle = len(body) // 2
    sample = body[middle : middle + _SAMPLE]
    return len(pack(sample)) < _WORTH_IT * len(sample)


@lru_cache(256)  # clients of one kind all send the same
def _chosen(accept: bytes) -> str | None:
    """Return how to pack for a client that accepts this, or `None` for not at all."""
    qualities = {}
    for part in accept.decode("latin-1").lower().split(","):
        coding, _, parameter = part.partition(";")
        name, _, value = parameter.replace(" ", "").partition("=")
        try:
            qualities[coding.strip()] = float(value) if name == "q" else 1.0
        except ValueError:
            qualities[coding.strip()] = 0.0
    rest = qualities.get("*", 0.0)
    best = max(_PACKERS, key=lambda coding: qualities.get(coding, rest))
    return best if qualities.get(best, rest) > 0 else None
