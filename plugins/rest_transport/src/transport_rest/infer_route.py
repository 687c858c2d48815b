"""The infer routes: a lean ASGI callable in front of Litestar, which costs several times the rest of a request.

The body goes to the dispatcher as it came; nothing of it is read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.engine import Call
from mlcore.errors import InferenceError, MLCoreError, RequestCancelledError, UnsupportedMediaTypeError

from transport_rest.body import read_body
from transport_rest.status import error_body, error_headers, send_error, status_of, unexpected

if TYPE_CHECKING:
    from mlcore.dispatcher import Dispatcher
    from mlcore.engine import Answer

    from transport_rest.asgi import App, Receive, Scope, Send

JSON = "application/json"
BINARY = "application/octet-stream"
HEAD_LENGTH = b"inference-header-content-length"

_VERBS = frozenset({"infer", "generate"})
_CONTENT_TYPES = {JSON: (b"content-type", b"application/json"), BINARY: (b"content-type", b"application/octet-stream")}


class InferRoute:
    """Answers `POST /v2/models/{m}[/versions/{v}]/infer` and `/generate`; everything else goes to `others`.

    Args:
        dispatcher: Where calls go.
        max_body_bytes: The largest body.
        others: Answers every other path.
    """

    def __init__(self, dispatcher: Dispatcher, max_body_bytes: int, others: App) -> None:
        self._infer = dispatcher.infer
        self._max_body_bytes = max_body_bytes
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI."""
        target = _target(scope["path"]) if scope["type"] == "http" else None
        if target is None:
            await self._others(scope, receive, send)
            return
        if scope["method"] != "POST":
            body = error_body(f"{scope['path']} takes POST, not {scope['method']}")
            await send_error(send, 405, body, {"Allow": "POST"})
            return
        try:
            answer = await self._infer(await self._call(target, scope, receive))
        except RequestCancelledError:
            return  # nobody is there to be answered
        except MLCoreError as error:
            await send_error(send, status_of(error), error_body(str(error)), error_headers(error))
        except Exception as error:  # the client gets an answer whatever fails
            await send_error(send, 500, unexpected(error, scope["path"]))
        else:
            await _send(send, answer)

    async def _call(self, target: tuple[str, str | None], scope: Scope, receive: Receive) -> Call:
        lines = scope["headers"]
        headers = dict(lines)
        if HEAD_LENGTH in headers:
            head_length = _head_length(lines)
            media_type = BINARY
        else:
            head_length = None
            media_type = _media_type(headers.get(b"content-type"))
        body = await read_body(receive, headers, self._max_body_bytes, head_length)
        return Call(target[0], target[1], media_type, body, head_length, lines)


def _target(path: str) -> tuple[str, str | None] | None:
    """Return the model and the version of an infer path, or `None` for any other path."""
    if not path.startswith("/v2/models/"):
        return None
    parts = path.split("/")
    if len(parts) == 5 and parts[4] in _VERBS:
        return parts[3], None
    if len(parts) == 7 and parts[6] in _VERBS and parts[4] == "versions":
        return parts[3], parts[5]
    return None


def _media_type(content_type: bytes | None) -> str:
    """Return the media type of a body without binary tensors. None at all, or plain bytes, is taken for JSON."""
    if content_type is None or content_type == b"application/json":
        return JSON
    media_type, _, parameters = content_type.decode("latin-1").lower().partition(";")
    if media_type.strip() not in (JSON, BINARY, ""):
        raise UnsupportedMediaTypeError(f"Content-Type: expected application/json, got '{media_type.strip()[:64]}'")
    charset = parameters.partition("charset=")[2].strip(' "')
    if charset not in ("", "utf-8", "utf8"):
        raise UnsupportedMediaTypeError(f"Content-Type: expected the charset utf-8, got '{charset[:64]}'")
    return JSON


def _head_length(lines: list[tuple[bytes, bytes]]) -> int:
    values = [value for name, value in lines if name == HEAD_LENGTH]
    if len(values) != 1 or not values[0].isdigit() or len(values[0]) > 18:
        shown = b", ".join(values)[:64].decode("latin-1")
        raise InferenceError(f"Inference-Header-Content-Length: expected the bytes of the JSON head, got '{shown}'")
    return int(values[0])


async def _send(send: Send, answer: Answer) -> None:
    buffers = answer.buffers
    size = len(buffers[0]) if len(buffers) == 1 else sum(map(len, buffers))
    headers = [_CONTENT_TYPES.get(answer.media_type) or (b"content-type", answer.media_type.encode())]
    headers.append((b"content-length", b"%d" % size))
    if answer.head_length is not None:
        headers.append((HEAD_LENGTH, b"%d" % answer.head_length))
    if answer.headers:
        headers += _lines(answer.headers)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for buffer in buffers[:-1]:
        await send({"type": "http.response.body", "body": buffer, "more_body": True})
    await send({"type": "http.response.body", "body": buffers[-1]})


_OWN_HEADERS = frozenset({b"content-type", b"content-length", b"transfer-encoding", b"connection", HEAD_LENGTH})


def _lines(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Return a model's headers as lines, without those that would contradict the response itself."""
    lines = []
    for name, value in headers.items():
        line = (str(name).lower().encode("latin-1", "replace"), str(value).encode("latin-1", "replace"))
        if line[0] not in _OWN_HEADERS and not any(mark in part for part in line for mark in (b"\r", b"\n", b"\0")):
            lines.append(line)
    return lines
