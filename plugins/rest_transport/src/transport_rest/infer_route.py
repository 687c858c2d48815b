"""The infer routes: a lean ASGI callable in front of Litestar, which costs several times the rest of a request.

The body goes to the dispatcher as it came; nothing of it is read here.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from mlcore.engine import Call
from mlcore.errors import InferenceError, MLCoreError, UnavailableError, UnsupportedMediaTypeError
from mlcore.request_id import request_id_of

from transport_rest.answer_headers import HEAD_LENGTH, lines_of
from transport_rest.body import read_body
from transport_rest.event_stream import EventStreams
from transport_rest.exchange import EXCHANGE, JOINED
from transport_rest.server_timing import no_timing, timing_of
from transport_rest.status import error_body, send_error, send_failure, shown_path

if TYPE_CHECKING:
    from mlcore.dispatcher import Dispatcher
    from mlcore.engine import Answer

    from transport_rest.asgi import App, Receive, Scope, Send
    from transport_rest.exchange import Exchange

JSON = "application/json"
BINARY = "application/octet-stream"
TRACE = "transport_rest.trace"
"""Where the scope of a request that is traced has what a call carries on."""
REQUEST_ID = "transport_rest.request_id"
"""Where the scope has the id that the request is known by if it names none."""
CALL = "transport_rest.call"
"""Where the scope has what went to the dispatcher."""

_STREAMS = {"infer": False, "generate": False, "infer_stream": True, "generate_stream": True}
_JSON_LINE = b"content-type: application/json\r\n"
_CONTENT_TYPES = {JSON: (b"content-type", b"application/json"), BINARY: (b"content-type", b"application/octet-stream")}


class InferRoute:
    """Answers `POST /v2/models/{m}[/versions/{v}]/infer` and `/infer_stream`; everything else goes to `others`.

    `generate` and `generate_stream` are the same under other names.

    Args:
        dispatcher: Where calls go.
        max_body_bytes: The largest body.
        others: Answers every other path.
        server_timing: Whether answers say how long their steps took.
    """

    def __init__(self, dispatcher: Dispatcher, max_body_bytes: int, others: App, server_timing: bool = False) -> None:
        self._infer = dispatcher.infer
        self._max_body_bytes = max_body_bytes
        self._others = others
        self._timing = timing_of if server_timing else no_timing
        self._stream = EventStreams(dispatcher.stream, self._timing).answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI; with an error where anything fails, in `others` too."""
        exchange: Exchange = scope[EXCHANGE]
        try:
            target = target_of(scope["raw_path"])
            if target is None:
                await self._others(scope, receive, send)
            elif scope["method"] == "POST":
                call = scope[CALL] = await self._call(target, scope, receive)
                exchange.is_working = True
                try:
                    if target.is_stream:
                        await self._stream(call, scope, send)
                        return
                    answer = await self._infer(call)
                finally:
                    exchange.is_working = False
                await _send(exchange, send, answer, self._timing(call, answer))
            else:
                await read_body(receive, exchange.headers, self._max_body_bytes)
                body = error_body(f"{shown_path(scope)[:64]} takes POST, not {scope['method'][:16]}")
                await send_error(send, 405, body, {"Allow": "POST"})
        except asyncio.CancelledError:
            if exchange.is_lost:
                return  # nobody listens any more
            # At stop, requests that outlive the grace period are cancelled; their clients may still listen.
            stopped = UnavailableError("the server stopped before this request was done", retry_after_s=1)
            await send_failure(stopped, scope, receive, send)
        except Exception as error:  # the client gets an answer whatever fails
            await send_failure(error, scope, receive, send)

    async def _call(self, target: Target, scope: Scope, receive: Receive) -> Call:
        lines = scope["headers"]
        headers = scope[EXCHANGE].headers
        content_type = headers.get(b"content-type")
        media_type = JSON
        head_length = None
        try:
            if content_type is not None and content_type != b"application/json":
                _check_media_type(content_type)
            if HEAD_LENGTH in headers:
                media_type = BINARY
                head_length = _head_length(lines)
        except MLCoreError:
            # A client that is told before it has sent everything may never read it.
            await read_body(receive, headers, self._max_body_bytes)
            raise
        body = await read_body(receive, headers, self._max_body_bytes, head_length)
        if head_length is not None and head_length > len(body):  # frames between processes have no room for any number
            raise InferenceError(
                f"Inference-Header-Content-Length: expected 0 to {len(body)}, the length of the body, got {head_length}"
            )
        request_id = scope.get(REQUEST_ID) or request_id_of(headers.get(b"x-request-id"))
        name, version, _ = target
        return Call(name, version, media_type, body, head_length, lines, request_id, trace=scope.get(TRACE))


class Target(NamedTuple):
    """What an infer path asks: which model, in which version, and whether for a stream of answers."""

    model: str
    version: str | None
    is_stream: bool


@lru_cache(1024)
def target_of(raw_path: bytes) -> Target | None:
    """Return what an infer path asks, or `None` for any other path."""
    if has_hidden_slash(raw_path):
        return None
    parts = unquote(raw_path.decode("ascii")).removesuffix("/").split("/")
    match parts:
        case ["", "v2", "models", name, verb] if name and verb in _STREAMS:
            return Target(name, None, _STREAMS[verb])
        case ["", "v2", "models", name, "versions", version, verb] if name and version and verb in _STREAMS:
            return Target(name, version, _STREAMS[verb])
    return None


def has_hidden_slash(raw_path: bytes) -> bool:
    """Say whether the client wrote a slash as `%2F`: a part of a name then, which no name has."""
    return b"%2f" in raw_path.lower()


def _check_media_type(content_type: bytes) -> None:
    """Refuse what is not JSON. Plain bytes, as clients send them without saying more, are taken for it.

    Raises:
        UnsupportedMediaTypeError: It is something else, or in another charset than UTF-8.
    """
    media_type, *parameters = content_type.decode("latin-1").lower().split(";")
    if media_type.strip() not in (JSON, BINARY, ""):
        raise UnsupportedMediaTypeError(f"Content-Type: expected application/json, got '{media_type.strip()[:64]}'")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8"):
            raise UnsupportedMediaTypeError(f"Content-Type: expected the charset utf-8, got '{value.strip()[:64]}'")


def _head_length(lines: list[tuple[bytes, bytes]]) -> int:
    values = [value for name, value in lines if name == HEAD_LENGTH]
    if len(values) != 1 or not values[0].isdigit() or len(values[0]) > 18:
        shown = b", ".join(values)[:64].decode("latin-1")
        raise InferenceError(f"Inference-Header-Content-Length: expected the bytes of the JSON head, got '{shown}'")
    return int(values[0])


async def _send(exchange: Exchange, send: Send, answer: Answer, timing: bytes | None) -> None:
    buffers = answer.buffers
    size = len(buffers[0])
    if len(buffers) > 1:
        size = sum(map(len, buffers))
        if size <= JOINED:
            buffers = [b"".join(buffers)]
    is_plain = answer.media_type == JSON and timing is None and not answer.headers and len(buffers) == 1
    if is_plain and send == exchange.send and exchange.answer(_JSON_LINE, buffers[0]):
        return
    headers = [_CONTENT_TYPES.get(answer.media_type) or (b"content-type", answer.media_type.encode())]
    headers.append((b"content-length", b"%d" % size))
    if answer.head_length is not None:
        headers.append((HEAD_LENGTH, b"%d" % answer.head_length))
    if timing is not None:
        headers.append((b"server-timing", timing))
    if answer.headers:
        headers += lines_of(answer.headers)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for buffer in buffers[:-1]:
        await send({"type": "http.response.body", "body": buffer, "more_body": True})
    await send({"type": "http.response.body", "body": buffers[-1]})
