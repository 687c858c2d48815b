"""One request and its answer on a connection, as ASGI sees them.

uvicorn's own costs an event, a timer and several callbacks for each request, checks every header twice with a regular
expression, and writes a small answer in two system calls. Together that is as much as the rest of the front does for
a small model (benchmarks/rest.py), so the way of a request is ours.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any

from mlcore.logs import get_logger
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from transport_rest.status import CLIENT_GONE, send_error, unexpected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcore_protocol import Buffer

    from transport_rest.asgi import App, Message, Scope
    from transport_rest.protocol import HttpProtocol

log = get_logger("mlcore.rest")

_WITHOUT_BODY = (204, 304)
_LAST = b"content-length: %d\r\nconnection: close\r\n\r\n"
_NOT_IN_LINES = re.compile(rb"[\x00\r\n]")

JOINED = 64 * 1024
"""Up to so many bytes are copied to leave in one system call, a body behind its head; more is written as it is."""

EXCHANGE = "transport_rest.exchange"
"""Where a request's scope has its exchange."""


class Exchange:
    """One request and its answer.

    Args:
        connection: Where the answer goes.
        scope: The request, but for its body.
        headers: Its headers, of each name the last.
        is_kept: Whether the connection may be used again afterwards.
        awaits_continue: Whether the client sends the body only when it is told to.

    Attributes:
        headers: As given; made once, because everybody on the way looks at some.
        task: What answers it.
        is_working: Whether a model works for it, which ends if the client goes away.
        is_lost: Whether the client has gone.
        is_over: Whether the answer is complete.
        status: The answer's status; the one that says that the client has gone, as long as there is none.
        received: Bytes of the body that have arrived.
        sent: Bytes of the answer's body that were sent.
        since: When it began, by the machine's monotonic clock.
    """

    task: asyncio.Task[None]

    def __init__(
        self,
        connection: HttpProtocol,
        scope: Scope,
        headers: dict[bytes, bytes],
        is_kept: bool,
        awaits_continue: bool,
    ) -> None:
        self._connection = connection
        self.scope = scope
        self.headers = headers
        self._is_kept = is_kept
        self._awaits_continue = awaits_continue
        self._body: Buffer = b""
        self._unread = False
        self._is_whole = False
        self._waiter: asyncio.Future[None] | None = None
        self._head = b""
        self._has_body = True
        self._is_chunked = False
        self._left: int | None = None
        self.is_working = False
        self.is_lost = False
        self.is_over = False
        self.status = CLIENT_GONE
        self.received = 0
        self.sent = 0
        self.since = time.monotonic()

    async def run(self, app: App) -> None:
        """Let the app answer."""
        try:
            await app(self.scope, self.receive, self.send)
            if not self.is_over and not self.is_lost:
                raise RuntimeError("the app ended without a complete answer")
        except asyncio.CancelledError:
            self._connection.transport.close()
        except Exception as error:  # whatever it is, the client must not wait for ever
            if self.status == CLIENT_GONE:
                await send_error(self.send, 500, unexpected(error, self.scope))
            else:
                log.error("an answer was not completed", exc_info=error)
                self._connection.transport.close()
        finally:
            self._connection.done(self)
            # Else the two would refer to each other, and only the garbage collector could free them.
            del self.scope[EXCHANGE]

    # --- what the connection tells ---

    def take(self, piece: bytes) -> None:
        """Take a piece of the body; if the app does not keep up, the client has to wait."""
        self.received += len(piece)
        if self.is_over:
            return  # it was answered without
        if not self._body:
            self._body = piece  # most bodies are one piece, which is not copied
        elif type(self._body) is bytearray:
            self._body += piece
        else:
            self._body = bytearray(self._body)
            self._body += piece
        self._unread = True
        if len(self._body) > HIGH_WATER_LIMIT:
            self._connection.flow.pause_reading()
        self._wake()

    def take_end(self) -> None:
        """Note that the body is whole."""
        self._is_whole = self._unread = True
        self._wake()

    def close_after(self) -> None:
        """Let the connection end with the answer."""
        self._is_kept = False

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The client's certificate, as `ssl` gives it; nothing if it showed none that was verified."""
        shown: dict[str, Any] | None = self._connection.transport.get_extra_info("peercert")
        return shown

    @property
    def is_stuck(self) -> bool:
        """Whether the client does not take what is sent."""
        return self._connection.flow.write_paused

    def cut_off(self) -> None:
        """End the connection at once, whatever the client has not taken yet."""
        self._connection.transport.abort()

    def lose(self) -> None:
        """Note that the client has gone, and end what a model does for it."""
        self.is_lost = True
        self._wake()
        if self.is_working:
            self.task.cancel()

    def fail(self, status: int) -> None:
        """Note that the connection itself has answered, and reads no more."""
        self.status = status
        self.lose()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- what the app asks ---

    async def receive(self) -> Message:
        """Return what has come of the body since, as ASGI wants it; when all has, wait until the exchange is over."""
        if self._awaits_continue:
            self._awaits_continue = False
            if not self._connection.transport.is_closing():
                self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not (self._unread or self.is_lost or self.is_over):
            self._connection.flow.resume_reading()
            self._waiter = self._connection.loop.create_future()
            await self._waiter
        if self.is_lost or self.is_over:
            return {"type": "http.disconnect"}
        body, self._body, self._unread = self._body, b"", False
        return {"type": "http.request", "body": body, "more_body": not self._is_whole}

    async def send(self, message: Message) -> None:
        """Send a part of the answer, as ASGI has it.

        Raises:
            RuntimeError: The answer is not one.
        """
        flow = self._connection.flow
        if flow.write_paused and not self.is_lost:
            await flow.drain()
        if self.is_lost:
            return
        if self.is_over:
            raise RuntimeError("the answer is complete already")
        if message["type"] == "http.response.start":
            self._start(message["status"], message.get("headers", ()))
        elif self.status == CLIENT_GONE:
            raise RuntimeError("an answer begins with its head")
        else:
            self._continue(message.get("body", b""), message.get("more_body", False))

    def answer(self, lines: bytes, body: Buffer) -> bool:
        """Send a whole answer of status 200 at once, and say whether that was possible; else its messages have to do.

        For an answer that nobody in between has to see: this costs half of what two messages do.

        Args:
            lines: Its header lines, but for the body's length. None has a line break in it.
            body: The body.
        """
        connection = self._connection
        if self.is_lost or connection.flow.write_paused or len(body) > JOINED:
            return False
        self._awaits_continue = False
        self.status = 200
        self.sent = len(body)
        pieces = [STATUS_LINE[200]]
        for name, value in connection.server_state.default_headers:
            pieces += (name, b": ", value, b"\r\n")
        pieces.append(lines)
        pieces.append(b"content-length: %d\r\n\r\n" % len(body) if self._is_kept else _LAST % len(body))
        connection.transport.write(b"".join((*pieces, body)))
        self._end()
        return True

    def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        if self.status != CLIENT_GONE:
            raise RuntimeError("the answer has begun already")
        pieces = [STATUS_LINE[status]]
        length = None
        for name, value in (*self._connection.server_state.default_headers, *headers):
            key = name.lower()
            if _NOT_IN_LINES.search(value) or _NOT_IN_LINES.search(key):
                raise RuntimeError("a header of the answer has a line break in it")
            if key == b"content-length":
                length = int(value)
            elif key == b"transfer-encoding":
                continue  # how it is sent is said below
            elif key == b"connection" and b"close" in value.lower():
                self._is_kept = False
                continue
            pieces += (key, b": ", value, b"\r\n")
        self._has_body = self.scope["method"] != "HEAD" and status not in _WITHOUT_BODY
        if self._has_body and length is None:
            if self.scope["http_version"] == "1.1":
                self._is_chunked = True
                pieces.append(b"transfer-encoding: chunked\r\n")
            else:
                self._is_kept = False  # its end is the end of the body
        if not self._is_kept:
            pieces.append(b"connection: close\r\n")
        pieces.append(b"\r\n")
        self._awaits_continue = False
        self.status = status
        if self._has_body and length is not None:
            self._left = length
            self._head = b"".join(pieces)  # leaves with the body, which follows at once
        else:
            self._connection.transport.write(b"".join(pieces))

    def _continue(self, body: Buffer, is_more: bool) -> None:
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (self._left and not is_more):
                raise RuntimeError("the answer has not the length that its head says")
        if self._has_body:
            self.sent += len(body)
            self._write(b"%x\r\n%b\r\n" % (len(body), bytes(body)) if self._is_chunked and body else body)
        if is_more:
            return
        if self._is_chunked:
            self._write(b"0\r\n\r\n")
        self._end()

    def _end(self) -> None:
        self.is_over = True
        self._wake()
        if not self._is_kept:
            self._connection.transport.close()
        self._connection.go_on()

    def _write(self, data: Buffer) -> None:
        head, self._head = self._head, b""
        if head and len(data) > JOINED:
            self._connection.transport.write(head)
        else:
            data = head + data if head else data
        if data:
            self._connection.transport.write(data)
