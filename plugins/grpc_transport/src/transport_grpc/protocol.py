"""One client's connection: what it sends becomes calls, what they answer becomes frames."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from grpclib.const import Status
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from mlcore.logs import get_logger

from transport_grpc.call import ServerCall
from transport_grpc.compression import ACCEPTED, is_known
from transport_grpc.frames import LARGEST_STREAM_ID, goaway_frame, headers_frame, ping_frame, rst_stream_frame
from transport_grpc.http2 import Http2Connection
from transport_grpc.inflow import Inflow
from transport_grpc.outbox import Outbox
from transport_grpc.request_head import Refusal, shown
from transport_grpc.status import refusal_block

if TYPE_CHECKING:
    from transport_grpc.connections import Connections
    from transport_grpc.request_head import RequestHead
    from transport_grpc.stream import Stream

log = get_logger("mlcore.grpc")

# So many of the largest messages one connection may hold before further ones wait.
_MESSAGES_HELD = 4

_STILL_THERE = b"mlcore-1"
_LEAVING = b"mlcore-2"


class GrpcProtocol(asyncio.Protocol):
    """One connection.

    Args:
        connections: All of them, and what they share.

    Attributes:
        peer: The client's address.
        certificate_names: The names in the client's certificate, where there is a guard to ask for them.
        call_type: What a call is made as.
    """

    peer: str | None = None
    certificate_names: tuple[str, ...] = ()
    call_type = ServerCall

    outbox: Outbox
    inflow: Inflow
    http2: Http2Connection

    def __init__(self, connections: Connections) -> None:
        self.loop = connections.loop
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self.began = self._heard = time.monotonic()
        self._asked: float | None = None
        self._is_leaving = False
        self._is_last = False

    # --- the socket ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # not of a datagram
        """Begin, unless there are too many connections already."""
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else None
        if not self._connections.enter(self, peer):
            transport.abort()
            return
        self._transport = transport
        self.http2 = Http2Connection(self._connections.limits, self)
        self.inflow = Inflow(_MESSAGES_HELD * self._connections.limits.max_message_bytes, self.http2.read)
        self.outbox = Outbox(transport, self.http2, self.loop, self._sent)
        self.http2.initiate_connection()
        if self._connections.is_leaving:
            self.leave()

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._transport is None or self._transport.is_closing():
            return
        self._heard = time.monotonic()
        try:
            self.http2.receive_data(data)
        except ProtocolError as error:
            log.info("a connection was closed for what its client did", reason=str(error)[:128])
            self.close(error.error_code, str(error))

    def eof_received(self) -> bool:
        """Close; a client that sends no more reads no more."""
        return False

    def pause_writing(self) -> None:
        """Note that the socket is full."""
        self.outbox.pause()

    def resume_writing(self) -> None:
        """Note that the socket takes more."""
        self.outbox.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop what is under way for a client that has gone."""
        if self._transport is None:
            return
        self._connections.leave(self)
        streams, self.http2.streams = dict(self.http2.streams), {}
        for stream in streams.values():
            self.on_reset(stream)

    def close(self, error_code: int, reason: str = "") -> None:
        """Say why, and close."""
        if self._transport is not None and not self._transport.is_closing():
            last = self.http2.highest_inbound_stream_id
            self.outbox.write(goaway_frame(last, error_code, reason.encode()[:128]))
            self.outbox.flush()
            self._transport.close()

    # --- what the client sent ---

    def write(self, frame: bytes) -> None:
        """Send a frame that belongs to no call."""
        if frame:
            self.outbox.write(frame)

    def on_request(self, stream: Stream, head: RequestHead) -> None:
        """Begin a call."""
        method = self._connections.methods.get(head.path)
        refusal = head.refusal
        if refusal is None and method is None:
            refusal = Refusal(Status.UNIMPLEMENTED, f"there is no method {shown(head.path)} on this server")
        elif refusal is None and head.encoding is not None and not is_known(head.encoding):
            text = f"grpc-encoding: expected identity, deflate or gzip, got '{shown(head.encoding)}'"
            refusal = Refusal(Status.UNIMPLEMENTED, text, headers=[ACCEPTED])
        if refusal is not None or method is None:
            assert refusal is not None
            self.refuse(stream, refusal)
            return
        connections = self._connections
        stream.call = self.call_type(method, head, stream, self, connections.observer, connections.min_packed)

    def refuse(self, stream: Stream, refusal: Refusal) -> None:
        """Answer a request at once, whatever its client still sends."""
        self.outbox.write(headers_frame(stream.id, refusal_block(refusal), ends_stream=True))
        if not stream.is_ended:
            self.outbox.write(rst_stream_frame(stream.id, ErrorCodes.NO_ERROR))
        self.http2.forget(stream)
        self._close_if_done()

    def on_data(self, stream: Stream, piece: memoryview) -> None:
        """Take a piece of a request."""
        assert stream.call is not None
        stream.call.feed(piece)

    def on_end(self, stream: Stream) -> None:
        """Note that a call's requests are all there."""
        assert stream.call is not None
        stream.call.end()

    def on_reset(self, stream: Stream) -> None:
        """Stop what is under way for a call that its client gave up."""
        self.outbox.drop(stream)
        if stream.call is not None:
            stream.call.abandon()
        self._close_if_done()

    def on_window(self, stream: Stream | None) -> None:
        """Send what waited."""
        self.outbox.pump()

    def on_pong(self, data: bytes) -> None:
        """Note that the client is there; after the first word of leaving, that it has read it."""
        self._asked = None
        if data == _LEAVING and self._is_leaving and not self._is_last:
            self._is_last = True
            self.write(goaway_frame(self.http2.highest_inbound_stream_id, ErrorCodes.NO_ERROR))
            self._close_if_done()

    def _sent(self, stream: Stream) -> None:
        """Let go of a call whose last frame is sent."""
        self.http2.forget(stream)
        self.http2.earn()
        self._close_if_done()

    # --- leaving ---

    @property
    def calls(self) -> list[ServerCall]:
        """The calls that are under way."""
        return [stream.call for stream in self.http2.streams.values() if stream.call is not None]

    def leave(self) -> None:
        """Ask the client to begin nothing new here, and close when its calls are done.

        As RFC 9113 says, in two steps: calls that are on their way when the client hears it are served too.
        """
        if self._transport is not None and not self._is_leaving:
            self._is_leaving = True
            self.write(goaway_frame(LARGEST_STREAM_ID, ErrorCodes.NO_ERROR, b"the server is stopping"))
            self.write(ping_frame(_LEAVING))

    def _close_if_done(self) -> None:
        if self._is_last and not self.http2.streams and self._transport is not None:
            self.outbox.flush()
            self._transport.close()

    # --- time ---

    def check_time(self, now: float) -> None:
        """Close if the client has not begun, takes nothing, or is not there any more."""
        limits = self._connections.limits
        if self._transport is None or self._transport.is_closing():
            return
        if not self.http2.is_begun and now - self.began > limits.preface_s:
            self.close(ErrorCodes.PROTOCOL_ERROR, "the client did not begin in time")
        elif self.outbox.is_full and self.outbox.stuck_since < now - limits.write_s:
            log.warning("a connection was cut: its client takes nothing", write_s=limits.write_s)
            self._transport.abort()
        elif self._asked is not None and now - self._asked > limits.keepalive_timeout_s:
            self._transport.abort()
        else:
            for stream in self.outbox.stuck(now - limits.write_s):
                log.warning("a call was given up: its client takes nothing", write_s=limits.write_s)
                self.http2.cancel(stream)
            if self._asked is None and now - self._heard > limits.keepalive_s and self.http2.is_begun:
                self._asked = now
                self.write(ping_frame(_STILL_THERE))
