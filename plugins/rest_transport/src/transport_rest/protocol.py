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

from transport_rest.exchange import EXCHANGE, Exchange
from transport_rest.status import error_body

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from transport_rest.asgi import Scope
    from transport_rest.measured import HttpMeasures

log = get_logger("mlcore.rest")

_FIRST_REQUEST_S = 0.5


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection.

    Args:
        wants_clients: Says whether the server still does.
        measures: Takes note of requests, where somebody wants to know.
        options: uvicorn's own.
    """

    def __init__(
        self, *, wants_clients: Callable[[], bool], measures: HttpMeasures | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._wants_clients = wants_clients
        self._measures = measures
        self._latest: Exchange | None = None
        self._exchanges: deque[Exchange] = deque()
        self._idle_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own type
        """Begin."""
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = get_local_addr(transport)
        self.client = get_remote_addr(transport)
        self.scheme = "https" if is_ssl(transport) else "http"
        self._idle_since = self.loop.time()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self._close_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is done for a client that has gone."""
        self.connections.discard(self)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        for exchange in self._exchanges:
            exchange.lose()
        self.flow.resume_writing()
        self.parser = None  # type: ignore[assignment]  # it refers to this

    def shutdown(self) -> None:
        """Close, or do so after the answer that is under way.

        A connection that is new has its first request under way, as likely as not: it is given a moment to arrive.
        """
        if self._latest is None:
            self.loop.call_later(_FIRST_REQUEST_S, self._close_unused)
        elif self._latest.is_over:
            self.transport.close()
        else:
            self._latest.close_after()

    def _close_unused(self) -> None:
        if self._latest is None:
            self.transport.close()

    def _close_idle(self) -> None:
        """Close a connection that nobody uses. One timer looks again and again: one for each answer would cost more."""
        left_s: float = self.timeout_keep_alive
        if self._idle_since is not None:
            left_s += self._idle_since - self.loop.time()
        if left_s <= 0:
            self.transport.close()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(left_s, self._close_idle)

    # --- requests, as the parser finds them ---

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Begin to answer; a server that is about to stop closes the connection after that, and says so."""
        parser = self.parser
        if self._is_offer():
            return
        version = parser.get_http_version()
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
            "headers": self.headers,
            "state": {},
        }
        is_kept = version != "1.0" and parser.should_keep_alive() and self._wants_clients()
        exchange = scope[EXCHANGE] = Exchange(self, scope, is_kept, self.expect_100_continue)
        self._latest = exchange
        self._exchanges.append(exchange)
        if len(self._exchanges) == 1:
            self._begin(exchange)
        else:  # answers leave in the order of their requests
            self.flow.pause_reading()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        assert self._latest is not None, "a body follows a head"
        self._latest.take(body)

    def on_message_complete(self) -> None:
        """Note that the body is whole."""
        if self._latest is not None and not self._is_offer():
            self._latest.take_end()

    def _begin(self, exchange: Exchange) -> None:
        exchange.task = self.loop.create_task(exchange.run(self.app))
        self.tasks.add(exchange.task)
        if self._measures is not None:
            self._measures.begin(exchange)

    def go_on(self) -> None:
        """Begin with the next request, after an answer that is complete; or wait for one."""
        self._exchanges.popleft()
        self._idle_since = self.loop.time()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self._exchanges:
            self._begin(self._exchanges[0])

    def done(self, exchange: Exchange) -> None:
        """Note that whatever answered a request has ended."""
        self.tasks.discard(exchange.task)
        if self._measures is not None:
            self._measures.end(exchange)

    def data_received(self, data: bytes) -> None:
        """Read what the client sent."""
        self._idle_since = None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._is_offer():
                self._read_without_offer(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            log.info("not a valid HTTP request", reason=str(error)[:64])
            self.send_400_response("this is not a valid HTTP/1.1 request")

    def send_400_response(self, msg: str) -> None:
        """Answer in the form that every error has, and close."""
        body = error_body(msg)
        head = (
            STATUS_LINE[400],
            b"content-type: application/json\r\n",
            b"content-length: %d\r\n" % len(body),
            b"connection: close\r\n\r\n",
        )
        self.transport.write(b"".join(head) + body)
        self.transport.close()

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
