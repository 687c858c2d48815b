"""Compresses answers for clients that accept it, whichever route they come from."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport_rest.asgi import App, Message, Receive, Scope, Send

# The fastest level: on numbers the higher ones cost several times as much for a few per cent.
_LEVEL = 1
# Above this, compressing takes long enough to leave the event loop for it.
_LONG = 64 * 1024

_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: gzip.compress(body, _LEVEL, mtime=0),
    "deflate": lambda body: zlib.compress(body, _LEVEL),
}


def compressing(app: App, min_bytes: int) -> App:
    """Wrap an app so that its whole answers of at least `min_bytes` are compressed where the client accepts it.

    Streams pass as they are.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        encoding = _chosen(scope)
        if encoding is None:
            await app(scope, receive, send)
        else:
            await app(scope, receive, _Packing(send, encoding, min_bytes))

    return wrapped


class _Packing:
    """ASGI's `send`, which holds an answer back until it is whole."""

    def __init__(self, send: Send, encoding: str, min_bytes: int) -> None:
        self._send = send
        self._encoding = encoding
        self._min_bytes = min_bytes
        self._start: Message | None = None
        self._pieces: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self._is_whole(message):
                self._start = message
            else:
                await self._send(message)
            return
        if self._start is None:
            await self._send(message)
            return
        self._pieces.append(message.get("body", b""))
        if message.get("more_body"):
            return
        body = b"".join(self._pieces)
        headers = [(name, value) for name, value in self._start["headers"] if name != b"content-length"]
        headers.append((b"vary", b"Accept-Encoding"))
        if len(body) >= self._min_bytes:
            pack = _PACKERS[self._encoding]
            body = pack(body) if len(body) < _LONG else await asyncio.to_thread(pack, body)
            headers.append((b"content-encoding", self._encoding.encode()))
        headers.append((b"content-length", b"%d" % len(body)))
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    @staticmethod
    def _is_whole(start: Message) -> bool:
        names = {name for name, _ in start["headers"]}
        return b"content-length" in names and b"content-encoding" not in names


def _chosen(scope: Scope) -> str | None:
    if scope["type"] != "http" or scope["method"] == "HEAD":
        return None
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accepted = {}
            for part in value.decode("latin-1").lower().split(","):
                coding, _, quality = part.partition(";")
                accepted[coding.strip()] = quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
            return next((coding for coding in _PACKERS if accepted.get(coding)), None)
    return None
