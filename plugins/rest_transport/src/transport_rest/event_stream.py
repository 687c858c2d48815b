"""The answers of a stream as server-sent events: `data: {answer}` for each, as soon as it is there.

Source: WHATWG HTML, server-sent events. An error after the first event is an event of its own, named `error`.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from mlcore.errors import InferenceError, MLCoreError, UnavailableError

from transport_rest.answer_headers import lines_of
from transport_rest.exchange import EXCHANGE
from transport_rest.status import error_body, status_of, unexpected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from mlcore.engine import Answer, Call

    from transport_rest.asgi import Message, Scope, Send
    from transport_rest.exchange import Exchange

FAILURE = "transport_rest.failure"
"""Where the scope of a stream that the server or the model broke off has the error's code: its status is a good one."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # nginx, and proxies that learned it from there, would gather events before they pass them on.
    (b"x-accel-buffering", b"no"),
]


class EventStreams:
    """Answers calls with events.

    Args:
        stream: Gives the answers to a call.
        timing: Says how long the steps of the first answer took, where that is wanted.
    """

    def __init__(
        self,
        stream: Callable[[Call], AsyncGenerator[Answer, None]],
        timing: Callable[[Call, Answer], bytes | None],
    ) -> None:
        self._stream = stream
        self._timing = timing

    async def answer(self, call: Call, scope: Scope, send: Send) -> None:
        """Answer one call.

        Raises:
            Exception: Whatever happened before the first event; the client has seen nothing yet.
        """
        is_begun = False

        async def begin(headers: list[tuple[bytes, bytes]]) -> None:
            nonlocal is_begun
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS + headers})
            is_begun = True

        try:
            try:
                async with aclosing(self._stream(call)) as answers:
                    async for answer in answers:
                        event = _event(answer)
                        if not is_begun:
                            await begin(self._headers(call, answer))
                        await send({"type": "http.response.body", "body": event, "more_body": True})
                        # A turn of the loop: others get theirs, and a client that has gone is noticed, even if the
                        # model never waits.
                        await asyncio.sleep(0)
                last = b""
            except Exception as error:
                if not is_begun:
                    raise
                last = _failure(error, scope)
            if not is_begun:
                await begin([])
            await send(_end(last))
        except asyncio.CancelledError:
            exchange: Exchange = scope[EXCHANGE]
            if exchange.is_lost or not is_begun:
                raise
            await _break_off(exchange, scope, send)

    def _headers(self, call: Call, first: Answer) -> list[tuple[bytes, bytes]]:
        headers = lines_of(first.headers) if first.headers else []
        timing = self._timing(call, first)
        return headers if timing is None else [*headers, (b"server-timing", timing)]


def _event(answer: Answer) -> bytes:
    if answer.head_length is not None:
        raise InferenceError(
            "the answers of a stream are JSON, got a request for binary outputs; leave binary_data_output and "
            "binary_data out, and send a JSON head"
        )
    return b"".join((b"data: ", *answer.buffers, b"\n\n"))  # JSON is one line


def _failure(error: Exception, scope: Scope) -> bytes:
    """Return the event that tells of an error."""
    if isinstance(error, MLCoreError):
        body = error_body(str(error))
        if status_of(error) >= 500:
            scope[FAILURE] = error.code
    else:
        body = unexpected(error, scope)
        scope[FAILURE] = "internal"
    return b"event: error\ndata: " + body + b"\n\n"


def _end(event: bytes) -> Message:
    return {"type": "http.response.body", "body": event}


async def _break_off(exchange: Exchange, scope: Scope, send: Send) -> None:
    """End a stream that outlives the grace period of a stop. Its client may still listen."""
    event = _failure(UnavailableError("the server stopped before this stream was done", retry_after_s=1), scope)
    if exchange.is_stuck:  # it does not: it could not be told before it has read the rest
        exchange.cut_off()
        await asyncio.sleep(0)  # the connection is lost then
    else:
        await send(_end(event))
