"""uvicorn's HTTP protocol, where it differs from what this server wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httptools
from mlcore.logs import get_logger
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from transport_rest.joined_writes import JoinedWrites
from transport_rest.status import error_body

if TYPE_CHECKING:
    import asyncio

    from mlcore.control import ControlPlane

log = get_logger("mlcore.rest")

_FIRST_REQUEST_S = 0.5


CONNECTION = "transport_rest.connection"
"""Where a request's scope has its connection."""


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection.

    Args:
        control: Says whether the server still wants clients.
        options: uvicorn's own.

    Attributes:
        working: What is cancelled if the client goes away; `None` while there is nothing to cancel.
        is_lost: Whether it has.
    """

    working: asyncio.Task[Any] | None = None
    is_lost = False

    def __init__(self, *, control: ControlPlane, **options: Any) -> None:
        super().__init__(**options)
        self._control = control

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own type
        """Begin; from here on a response's head and body leave in one piece."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]  # one in all but name

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is done for a client that has gone."""
        self.is_lost = True
        super().connection_lost(exc)
        if self.working is not None:
            self.working.cancel()

    def shutdown(self) -> None:
        """Close, or do so after the answer that is under way.

        A connection that is new has its first request under way, as likely as not: it is given a moment to arrive.
        """
        if self.cycle is None:
            self.loop.call_later(_FIRST_REQUEST_S, self._close_unused)
        else:
            super().shutdown()

    def _close_unused(self) -> None:
        if self.cycle is None:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope[CONNECTION] = self  # type: ignore[literal-required]  # a scope may hold more

    def on_headers_complete(self) -> None:
        """Begin to answer; a server that is about to stop closes the connection after that, and says so."""
        super().on_headers_complete()
        if self.cycle is not None and not self._control.is_accepting:
            self.cycle.keep_alive = False

    def data_received(self, data: bytes) -> None:
        """Read what the client sent."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
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

    def _should_upgrade(self) -> bool:
        """Say whether the parser gave up on a request at its head, because it offers another protocol."""
        return bool(self.parser.get_method() != b"CONNECT")

    def _read_without_offer(self, rest: bytes) -> None:
        """Read a request again as if it did not offer another protocol, as some clients do with every first one.

        The parser would take the request's body for that protocol.
        """
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % line for line in self.headers if line[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)
