"""One connection in HTTP/2: h2, made fit for the open.

h2 keeps the state of the connection: settings, pings, windows. Three things are done here instead, each because h2 ends
the whole connection where RFC 9113 ends one stream, or because it costs more than all the rest of a call:

- Frames are taken apart by `FrameReader`, as they come.
- Streams are our own light objects in h2's table, refused or reset one by one.
- What floods is counted: see `Budget`.

Nothing here writes to a socket or waits: `receive_data` calls the receiver, and `write` of the receiver takes frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import DenialOfServiceError, FlowControlError, FrameTooLargeError, ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import Frame

from transport_grpc.budget import Budget
from transport_grpc.frame_reader import FrameReader
from transport_grpc.frames import (
    ACK,
    GOAWAY,
    PING,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame_head,
    rst_stream_frame,
    window_update_frame,
)
from transport_grpc.header_block import HeaderReader
from transport_grpc.request_head import RequestHead
from transport_grpc.stream import Stream

if TYPE_CHECKING:
    from h2.events import Event

    from transport_grpc.limits import Limits

_LARGEST_WINDOW = 2**31 - 1

# h2 formats a text for its log at each step, whether the log is on or not; this one takes nothing.
_CONFIGURATION = H2Configuration(
    client_side=False, header_encoding=None, validate_inbound_headers=False, normalize_inbound_headers=False
)


class Receiver(Protocol):
    """Who is told what a client sent."""

    def write(self, frame: bytes) -> None:
        """Send a frame."""

    def on_request(self, stream: Stream, head: RequestHead) -> None:
        """Begin a call."""

    def on_data(self, stream: Stream, piece: memoryview) -> None:
        """Take a piece of what the client sends in a call."""

    def on_end(self, stream: Stream) -> None:
        """Note that the client sends no more in this call."""

    def on_reset(self, stream: Stream) -> None:
        """End a call that the client gave up, or that cannot go on."""

    def on_window(self, stream: Stream | None) -> None:
        """Send what waited for one stream, or for the connection, because the client takes more."""

    def on_pong(self, data: bytes) -> None:
        """Note that the client answered a ping."""


class Http2Connection(H2Connection):
    """The protocol's state of one connection, on the server's side.

    Args:
        limits: What the client may do.
        receiver: Who is told what it did.
    """

    streams: dict[int, Stream]  # type: ignore[assignment]  # they have what h2 asks of a stream

    def __init__(self, limits: Limits, receiver: Receiver) -> None:
        super().__init__(_CONFIGURATION)
        self.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: limits.max_streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: limits.max_metadata_bytes,
                SettingCodes.INITIAL_WINDOW_SIZE: limits.window_bytes,
                SettingCodes.MAX_FRAME_SIZE: limits.max_frame_bytes,
            },
        )
        self._limits = limits
        self._receiver = receiver
        self._heads = HeaderReader(
            limits.max_header_list_bytes, lambda headers: RequestHead(headers, limits.max_metadata_bytes)
        )
        self._resets = Budget(limits.resets, limits.resets_per_second)
        self._idle_frames = Budget(limits.idle_frames, limits.idle_frames_per_second)
        self._reader = FrameReader(limits, self)
        # The DATA frame whose pieces come.
        self._data_of: Stream | None = None
        self._ends = False
        self._window_left = limits.connection_window_bytes
        self._window_unsaid = 0

    def initiate_connection(self) -> None:
        """Say what this side allows."""
        super().initiate_connection()
        self._receiver.write(self.data_to_send())
        more = self._limits.connection_window_bytes - 65_535
        if more > 0:
            self._receiver.write(window_update_frame(0, more))

    # --- what comes in ---

    def receive_data(self, data: bytes) -> list[Event]:  # type: ignore[override]  # it takes bytes only
        """Take what the client sent, and tell the receiver; there are no events.

        Raises:
            ProtocolError: The connection cannot go on; the error has the code to say so.
        """
        self._reader.feed(data)
        return []

    @property
    def is_begun(self) -> bool:
        """Whether the client has begun as RFC 9113 says."""
        return self._reader.is_begun

    def on_frame(self, kind: int, flags: int, stream_id: int, body: bytes) -> None:
        """Take a whole frame that has neither data nor headers."""
        if kind == WINDOW_UPDATE:
            self._receive_window_update(stream_id, body)
        elif kind == RST_STREAM:
            self._receive_reset(stream_id, body)
        elif kind == PING:
            self._receive_ping(flags, stream_id, body)
        elif kind == PUSH_PROMISE:
            raise ProtocolError("a client pushes nothing")
        else:
            self._spend_idle_frame()
            # A client that says GOAWAY still wants the answers that are under way.
            if kind != GOAWAY:
                self._receive_other(kind, flags, stream_id, body)

    def on_unknown_frame(self) -> None:
        """Note a frame that is dropped."""
        self._spend_idle_frame()

    def _receive_other(self, kind: int, flags: int, stream_id: int, body: bytes) -> None:
        """Let h2 take SETTINGS and PRIORITY."""
        try:
            frame, _ = Frame.parse_frame_header(memoryview(frame_head(len(body), kind, flags, stream_id)))
            frame.parse_body(memoryview(body))
            self._receive_frame(frame)
        except HyperframeError as error:
            raise ProtocolError(f"a frame of type {kind} is wrong") from error
        self._receiver.write(self.data_to_send())
        if kind == SETTINGS and not flags & ACK:
            self._receiver.on_window(None)

    # --- calls ---

    def on_block(self, stream_id: int, block: bytes, ends: bool) -> None:
        """Begin a call, or end one with trailers."""
        head = self._heads.read(block)
        stream = self.streams.get(stream_id)
        if stream is not None:
            if stream.is_ended or not ends:
                self.reset(stream, ErrorCodes.PROTOCOL_ERROR)
            else:
                self._end(stream)
            return
        if not stream_id % 2:
            raise ProtocolError("a client's streams have odd numbers")
        if stream_id <= self.highest_inbound_stream_id:
            self._spend_reset()  # it was sent before the client knew that the stream is reset
            return
        self.highest_inbound_stream_id = stream_id
        if len(self.streams) >= self._limits.max_streams:
            self._refuse(stream_id, ErrorCodes.REFUSED_STREAM)
        elif head.is_malformed:
            self._refuse(stream_id, ErrorCodes.PROTOCOL_ERROR)
        else:
            stream = Stream(stream_id, self.remote_settings.initial_window_size, self._limits.window_bytes, ends)
            self.streams[stream_id] = stream
            self._receiver.on_request(stream, head)
            if ends and stream_id in self.streams:
                self._receiver.on_end(stream)

    def on_data_frame(self, stream_id: int, flow: int, length: int, ends: bool) -> None:
        """Begin with a DATA frame; see `FrameHandler`."""
        if not stream_id or stream_id > self.highest_inbound_stream_id:
            raise ProtocolError("DATA belongs to a stream that was begun")
        self._window_left -= flow
        if self._window_left < 0:
            raise FlowControlError("the client sent more than its connection's window")
        self._return_window(flow)
        if not length and not ends:
            self._spend_idle_frame()
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.window_left -= flow
            if stream.is_ended or stream.window_left < 0:
                code = ErrorCodes.STREAM_CLOSED if stream.is_ended else ErrorCodes.FLOW_CONTROL_ERROR
                self.reset(stream, code)
                stream = None
        self._data_of = stream
        self._ends = ends
        if stream is not None and flow > length:
            self._return_stream_window(stream, flow - length)
        if stream is not None and ends and not length:
            self._end(stream)

    def on_piece(self, piece: memoryview, is_last: bool) -> None:
        """Take a piece of a DATA frame; those of streams that have gone are dropped."""
        stream = self._data_of
        if stream is None or stream.id not in self.streams:
            return
        self._receiver.on_data(stream, piece)
        if is_last and self._ends and stream.id in self.streams:
            self._end(stream)

    def _end(self, stream: Stream) -> None:
        stream.is_ended = True
        self._receiver.on_end(stream)

    def _return_window(self, size: int) -> None:
        """Let the client send as much again; said only when it is worth a frame."""
        self._window_unsaid += size
        if self._window_unsaid * 2 >= self._limits.connection_window_bytes:
            self._receiver.write(window_update_frame(0, self._window_unsaid))
            self._window_left += self._window_unsaid
            self._window_unsaid = 0

    def _return_stream_window(self, stream: Stream, size: int) -> None:
        """Let the client send as much again in one call."""
        stream.window_unsaid += size
        if stream.window_unsaid * 2 >= self._limits.window_bytes and not stream.is_ended:
            self._receiver.write(window_update_frame(stream.id, stream.window_unsaid))
            stream.window_left += stream.window_unsaid
            stream.window_unsaid = 0

    def read(self, stream: Stream, size: int) -> None:
        """Note that so much of a call's data was read, so that its client may send more."""
        if stream.id in self.streams:
            self._return_stream_window(stream, size)

    # --- the ends of streams ---

    def forget(self, stream: Stream) -> None:
        """Let go of a stream that is over for this side; what still comes for it is dropped."""
        self.streams.pop(stream.id, None)

    def reset(self, stream: Stream, error_code: ErrorCodes) -> None:
        """Reset a stream for what its client did."""
        self._refuse(stream.id, error_code)
        if self.streams.pop(stream.id, None) is not None:
            self._receiver.on_reset(stream)

    def cancel(self, stream: Stream) -> None:
        """Reset a stream that the server gives up."""
        self._receiver.write(rst_stream_frame(stream.id, ErrorCodes.CANCEL))
        if self.streams.pop(stream.id, None) is not None:
            self._receiver.on_reset(stream)

    def _refuse(self, stream_id: int, error_code: ErrorCodes) -> None:
        self._receiver.write(rst_stream_frame(stream_id, error_code))
        self._spend_reset()

    def _receive_reset(self, stream_id: int, body: bytes) -> None:
        if len(body) != 4:
            raise FrameTooLargeError("RST_STREAM has 4 bytes")
        if not stream_id or stream_id > self.highest_inbound_stream_id:
            raise ProtocolError("RST_STREAM belongs to a stream that was begun")
        self._spend_reset()
        stream = self.streams.pop(stream_id, None)
        if stream is not None:
            self._receiver.on_reset(stream)

    def earn(self) -> None:
        """Note that a call ended well, or that a message was sent: its client may do a little more."""
        self._resets.earn()
        self._idle_frames.earn(4)

    def _spend_reset(self) -> None:
        """Count a stream that was reset, by whichever side: both cost the server what a call costs, and no answer."""
        if not self._resets.spend():
            raise DenialOfServiceError("too many streams are reset")

    def _spend_idle_frame(self) -> None:
        if not self._idle_frames.spend():
            raise DenialOfServiceError("too many frames carry nothing")

    # --- the connection ---

    def _receive_window_update(self, stream_id: int, body: bytes) -> None:
        if len(body) != 4:
            raise FrameTooLargeError("WINDOW_UPDATE has 4 bytes")
        self._spend_idle_frame()
        increment = int.from_bytes(body, "big") & _LARGEST_WINDOW
        if not stream_id:
            self.outbound_flow_control_window += increment
            if not increment:
                raise ProtocolError("WINDOW_UPDATE adds nothing")
            if self.outbound_flow_control_window > _LARGEST_WINDOW:
                raise FlowControlError("the connection's window is too large")
            self._receiver.on_window(None)
            return
        if stream_id > self.highest_inbound_stream_id:
            raise ProtocolError("WINDOW_UPDATE belongs to a stream that was begun")
        stream = self.streams.get(stream_id)
        if stream is None:
            return
        stream.outbound_flow_control_window += increment
        if not increment:
            self.reset(stream, ErrorCodes.PROTOCOL_ERROR)
        elif stream.outbound_flow_control_window > _LARGEST_WINDOW:
            self.reset(stream, ErrorCodes.FLOW_CONTROL_ERROR)
        else:
            self._receiver.on_window(stream)

    def _receive_ping(self, flags: int, stream_id: int, body: bytes) -> None:
        if len(body) != 8:
            raise FrameTooLargeError("PING has 8 bytes")
        if stream_id:
            raise ProtocolError("PING belongs to the connection")
        if flags & ACK:
            self._receiver.on_pong(body)
            return
        self._spend_idle_frame()
        self._receiver.write(frame_head(8, PING, ACK, 0) + body)
