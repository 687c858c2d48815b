"""The custom handlers of models: their requests go to the model as they came, over the same way as those to infer."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from mlcore.engine import Call
from mlcore.handlers import HTTP_REQUEST
from mlcore.logs import get_logger
from mlcore.request_id import request_id_of

from transport_rest.answer_headers import handler_lines_of
from transport_rest.body import read_body
from transport_rest.exchange import EXCHANGE
from transport_rest.handler_table import HandlerTable, HandlerTarget
from transport_rest.http_messages import RequestHead, packed, response_of
from transport_rest.infer_route import REQUEST_ID, TRACE, has_hidden_slash
from transport_rest.status import error_body, send_error, shown_path

if TYPE_CHECKING:
    from mlcore.control import ControlPlane
    from mlcore.dispatcher import Dispatcher

    from transport_rest.asgi import App, Receive, Scope, Send
    from transport_rest.exchange import Exchange

TARGET = "transport_rest.target"
"""Where the scope of a request to a custom handler has what answers it."""

# Said of the body as it came, or of the connection.
_NOT_PASSED_ON = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})

log = get_logger("mlcore.rest")


class HandlerRoute:
    """Answers the paths of custom handlers; everything else goes to `others`.

    Args:
        dispatcher: Where calls go.
        control: Knows which handlers there are.
        max_body_bytes: The largest body.
        others: Answers every other path.
    """

    def __init__(self, dispatcher: Dispatcher, control: ControlPlane, max_body_bytes: int, others: App) -> None:
        self._stream = dispatcher.stream
        self._control = control
        self._max_body_bytes = max_body_bytes
        self._others = others
        self._handlers = control.handlers
        self._table = HandlerTable(self._handlers)

    def targets_of(self, scope: Scope) -> dict[str, HandlerTarget]:
        """Return what answers a request's path, by HTTP method; nothing for a path that no handler has."""
        handlers = self._control.handlers
        if handlers is not self._handlers:
            self._handlers, self._table = handlers, HandlerTable(handlers)
        if handlers and "//" not in scope["path"] and not has_hidden_slash(scope["raw_path"]):
            return self._table.find(scope["path"])
        return {}

    def model_of(self, scope: Scope) -> str | None:
        """Return the model whose handler a request asks, or would with another method; `None` if there is none.

        One path may lead to several models, each by methods of its own.
        """
        targets = self.targets_of(scope)
        target = targets.get(_method_of(scope)) or next(iter(targets.values()), None)
        return None if target is None else target.model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI."""
        targets = self.targets_of(scope)
        if not targets:
            await self._others(scope, receive, send)
            return
        method = _method_of(scope)
        target = targets.get(method)
        if target is None:
            await read_body(receive, dict(scope["headers"]), self._max_body_bytes)
            allowed = ", ".join(sorted({*targets, *(("HEAD",) if "GET" in targets else ())}))
            body = error_body(f"{shown_path(scope)[:64]} takes {allowed}, not {scope['method'][:16]}")
            await send_error(send, 405, body, {"Allow": allowed})
            return
        scope[TARGET] = target
        scope["path_template"] = target.template
        call = await self._call(target, method, scope, receive)
        exchange: Exchange = scope[EXCHANGE]
        exchange.is_working = True
        try:
            await self._answer(call, scope, send)
        finally:
            exchange.is_working = False

    async def _call(self, target: HandlerTarget, method: str, scope: Scope, receive: Receive) -> Call:
        headers = dict(scope["headers"])
        body = await read_body(receive, headers, self._max_body_bytes)
        head = packed(
            RequestHead(
                method,
                scope["path"].removeprefix(target.base),
                scope["query_string"],
                scope["scheme"],
                scope["http_version"],
                scope.get("client"),
                scope.get("server"),
            )
        )
        lines = [line for line in scope["headers"] if line[0] not in _NOT_PASSED_ON]
        lines.append((b"content-length", b"%d" % len(body)))
        request_id = scope.get(REQUEST_ID) or request_id_of(headers.get(b"x-request-id"))
        return Call(
            target.model,
            target.version,
            HTTP_REQUEST,
            b"".join((head, body)),
            len(head),
            lines,
            request_id,
            trace=scope.get(TRACE),
        )

    async def _answer(self, call: Call, scope: Scope, send: Send) -> None:
        is_begun = is_over = False
        try:
            async with aclosing(self._stream(call)) as answers:
                async for answer in answers:
                    body = answer.buffers[0] if len(answer.buffers) == 1 else b"".join(answer.buffers)
                    if answer.head_length is None:
                        await send({"type": "http.response.body", "body": body, "more_body": True})
                        await asyncio.sleep(0)  # what was written leaves, and a client that has gone is noticed
                        continue
                    head, piece = response_of(body, answer.head_length)
                    status = head.status if 200 <= head.status <= 599 else 500
                    headers = handler_lines_of(head.headers)
                    if head.is_whole and status not in (204, 304):
                        headers.append((b"content-length", b"%d" % len(piece)))
                    await send({"type": "http.response.start", "status": status, "headers": headers})
                    is_begun = True
                    await send({"type": "http.response.body", "body": piece, "more_body": not head.is_whole})
                    is_over = head.is_whole
            if not is_over:
                await send({"type": "http.response.body", "body": b""})
        except (Exception, asyncio.CancelledError) as error:
            if not is_begun:
                raise
            # The status is out: only a connection that ends too soon says that the answer is not whole.
            exchange: Exchange = scope[EXCHANGE]
            if isinstance(error, Exception):
                log.error("an answer was broken off", path=shown_path(scope), reason=str(error)[:256])
            if not exchange.is_lost and not is_over:
                exchange.cut_off()
                await asyncio.sleep(0)


def _method_of(scope: Scope) -> str:
    """Return the method whose handler answers: a HEAD is a GET without a body."""
    method: str = scope["method"]
    return "GET" if method == "HEAD" else method
