"""HTTP/1.1 on one connection: uvicorn's protocol, where it differs from what this server wants."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
from mlcore.logs import get_logger
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from transport_rest.deadlines import Deadlines
from transport_rest.exchange import EXCHANGE, Exchange
from transport_rest.gate import NOT_HTTP, Refusal, check_head, check_size, size_of
from transport_rest.status import CLIENT_GONE, error_body

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from mlcore.connection_count import ConnectionCount

    from transport_rest.asgi import Scope
    from transport_rest.limits import HttpLimits
    from transport_rest.measured import HttpMeasures

log = get_logger("mlcore.rest")

_FIRST_REQUEST_S = 0.5

# What the parser is in the middle of.
_NOTHING, _HEAD, _BODY = range(3)

# Each chunk may say its length in so many bytes, its ends included, before the rest counts as what it says besides.
_CHUNK_HEAD = 24


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection.

    Args:
        wants_clients: Says whether the server still does.
        limits: How much a client may cost.
        count: Counts the connections, and says whether there may be one more.
        measures: Takes note of requests, where somebody wants to know.
        options: uvicorn's own.

    Attributes:
        latest: The latest request.
        idle_since: When the last answer was complete, or the connection began.
        head_since: When a head that is not complete began.
        is_refused: Whether nothing more is read.
    """

    def __init__(
        self,
        *,
        wants_clients: Callable[[], bool],
        limits: HttpLimits,
        count: ConnectionCount | None = None,
        measures: HttpMeasures | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._wants_clients = wants_clients
        self._limits = limits
        self._count = count
        self._measures = measures
        self._deadlines: Deadlines | None = None
        self._exchanges: deque[Exchange] = deque()
        self._stage = _NOTHING
        self._sent = b""  # what the client sent, while it is read
        self._head = b""  # what it sent of a head that is not complete
        self._head_size = 0
        self._chunks = 0
        self._taken = 0  # how much of the body had come with the piece before
        self._framing = 0  # what came with it that is none of it
        self._turn_since = 0.0
        self._refusal: Refusal | None = None
        self.latest: Exchange | None = None
        self.idle_since = 0.0
        self.head_since: float | None = None
        self.is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own type
        """Begin, unless there are too many connections already."""
        self.transport = transport
        self.flow = FlowControl(transport)
        self.client = get_remote_addr(transport)
        if self._count is not None:
            reason = self._count.enter(self.client)
            if reason is not None:
                self._count = None
                self.parser = _Deaf()  # type: ignore[assignment]  # nothing of it is read
                self._write_error(503, reason, b"retry-after: 1\r\n")
                transport.close()
                return
        self.connections.add(self)
        self.server = get_local_addr(transport)
        self.scheme = "https" if is_ssl(transport) else "http"
        self.idle_since = self.loop.time()
        self._deadlines = Deadlines(self, self._limits)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is done for a client that has gone."""
        self.connections.discard(self)
        if self._count is not None:
            self._count.leave(self.client)
        if self._deadlines is not None:
            self._deadlines.end()
        for exchange in self._exchanges:
            exchange.lose()
        self.flow.resume_writing()
        self.parser = None  # type: ignore[assignment]  # it refers to this

    def shutdown(self) -> None:
        """Close, or do so after the answer that is under way.

        A connection that is new has its first request under way, as likely as not: it is given a moment to arrive.
        """
        if self.latest is None:
            self.loop.call_later(_FIRST_REQUEST_S, self._close_unused)
        elif self.latest.is_over:
            self.transport.close()
        else:
            self.latest.close_after()

    def _close_unused(self) -> None:
        if self.latest is None:
            self.transport.close()

    # --- requests, as the parser finds them ---

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._stage = _HEAD

    def on_headers_complete(self) -> None:
        """Begin to answer; a server that is about to stop closes the connection after that, and says so."""
        parser = self.parser
        version = parser.get_http_version()
        headers = self.headers
        size = len(self._head) + len(self._sent)
        if size > self._limits.max_header_bytes:
            size = size_of(self.url, headers)  # some of it may be the body
        check_size(self._limits, self.url, headers, size)
        by_name = dict(headers)
        if check_head(version, headers, by_name, self._head + self._sent):
            self.headers = []  # what follows the last chunk is no part of the head
            self._chunks = self._framing = 0
        if self._head:
            self._head = b""
            self.head_since = None
        if self._is_offer():
            self.headers = headers
            return
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": parser.get_method().decode("ascii"),
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": headers,
            "state": {},
        }
        is_kept = version != "1.0" and parser.should_keep_alive() and self._wants_clients()
        exchange = scope[EXCHANGE] = Exchange(self, scope, by_name, is_kept, self.expect_100_continue)
        self.latest = exchange
        self._stage = _BODY
        self._exchanges.append(exchange)
        if len(self._exchanges) == 1:
            self._begin(exchange)
        else:  # answers leave in the order of their requests
            self.flow.pause_reading()

    def on_chunk_header(self) -> None:
        """Count a piece of the body."""
        self._chunks += 1
        if self._chunks > self._limits.max_chunks:
            text = f"the body comes in more than {self._limits.max_chunks} chunks, the setting max_chunks"
            raise Refusal(413, text)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        assert self.latest is not None, "a body follows a head"
        self.latest.take(body)

    def on_message_complete(self) -> None:
        """Note that the body is whole."""
        if self._stage == _BODY:
            assert self.latest is not None, "an end follows a head"
            self._stage = _NOTHING
            self.latest.take_end()

    def _begin(self, exchange: Exchange) -> None:
        exchange.task = self.loop.create_task(exchange.run(self.app))
        self.tasks.add(exchange.task)
        if self._measures is not None:
            self._measures.begin(exchange)

    def go_on(self) -> None:
        """Begin with the next request, after an answer that is complete; or wait for one."""
        self._exchanges.popleft()
        if self.transport.is_closing():
            return
        if self._exchanges:
            self._turn_since = self.loop.time()
            self.flow.resume_reading()
            self._begin(self._exchanges[0])
        elif self._refusal is not None:
            self._close_with(self._refusal)
        else:
            self.idle_since = self.loop.time()
            self.flow.resume_reading()

    def done(self, exchange: Exchange) -> None:
        """Note that whatever answered a request has ended."""
        self.tasks.discard(exchange.task)
        if self._measures is not None:
            self._measures.end(exchange)

    # --- bytes ---

    def data_received(self, data: bytes) -> None:
        """Read what the client sent."""
        stage = self._stage
        self._sent = data
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._is_offer():
                self._read_without_offer(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause if isinstance(cause, Refusal) else NOT_HTTP)
        self._sent = b""
        if stage or self._stage:
            self._note_piece(stage, data)

    def _note_piece(self, stage: int, data: bytes) -> None:
        """Take note of a request that comes in pieces.

        Args:
            stage: What the parser was in the middle of before.
            data: The piece.
        """
        limits = self._limits
        if self._stage == _HEAD:
            if self.head_since is None:  # its first piece, which may begin with the end of another request
                self.head_since = self.loop.time()
                self._head_size = size_of(self.url, self.headers)
            else:
                self._head_size += len(data)
            self._head = (self._head + data)[-limits.max_header_bytes :]
            try:
                check_size(limits, self.url, self.headers, self._head_size)
            except Refusal as refusal:
                self.refuse(refusal)
        elif self._stage == _BODY and self.latest is not None:
            taken, self._taken = self._taken, self.latest.received
            if stage == _BODY:
                self._framing += len(data) - (self._taken - taken)
                if self._framing > limits.max_header_bytes + _CHUNK_HEAD * self._chunks:
                    text = f"what the chunks say besides the body is larger than {limits.max_header_bytes} bytes"
                    self.refuse(Refusal(431, f"{text}, the setting max_header_bytes"))

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return bool(self._exchanges)

    def awaited_body(self) -> tuple[float, int] | None:
        """Return since when a body is on its way, and how much of it has come; `None` if nobody waits for one."""
        latest = self.latest
        if self._stage != _BODY or latest is None or self.flow.read_paused:
            return None
        return max(latest.since, self._turn_since), latest.received

    def refuse(self, refusal: Refusal) -> None:
        """Read no more, answer after what is under way in the form that every error has, and close."""
        log.info("a request was refused", status=refusal.status, reason=refusal.message)
        self.is_refused = True
        self.parser = _Deaf()  # type: ignore[assignment]  # which is all that is left to do
        self.head_since = None
        stage, self._stage = self._stage, _NOTHING
        if stage == _BODY and self.latest is not None:  # it is this one that is refused
            if self.latest.is_over or self.latest.status != CLIENT_GONE:
                self.transport.close()  # its answer has begun
                return
            self._exchanges.pop()
            if not self._exchanges:
                self.latest.fail(refusal.status)
        if self._exchanges:
            self._refusal = refusal
        else:
            self._close_with(refusal)

    def _close_with(self, refusal: Refusal) -> None:
        """Answer and close, but let the client send on for a moment: it might not see the answer otherwise."""
        self._write_error(refusal.status, refusal.message)
        if self.transport.can_write_eof() and self._deadlines is not None:
            self.transport.write_eof()
            self.flow.resume_reading()
            self._deadlines.linger()
        else:
            self.transport.close()

    def _write_error(self, status: int, message: str, more: bytes = b"") -> None:
        body = error_body(message)
        head = (
            STATUS_LINE[status],
            b"content-type: application/json\r\n",
            b"content-length: %d\r\n" % len(body),
            more,
            b"connection: close\r\n\r\n",
        )
        self.transport.write(b"".join(head) + body)

    def _is_offer(self) -> bool:
        """Say whether the parser gives up on a request at its head, because it offers another protocol."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _read_without_offer(self, rest: bytes) -> None:
        """Read a request again as if it did not offer another protocol, as some clients do with every first one.

        The parser would take the request's body for that protocol.
        """
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % line for line in self.headers if line[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)


class _Deaf:
    """Stands for the parser once nothing more is to be understood."""

    def feed_data(self, data: bytes) -> None:
        """Drop it."""
