"""One connection in HTTP/2: h2, made fit for the open.

h2 keeps the state of the connection: settings, pings, windows. Three things are done here instead, each because h2 ends
the whole connection where RFC 9113 ends one stream, or because it costs more than all the rest of a call:

- Frames are taken apart as they come. h2 waits for a whole frame, which may be 16 MB, and copies it four times.
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
from transport_grpc.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEAD,
    HEAD_BYTES,
    HEADERS,
    LARGEST_STREAM_ID,
    PADDED,
    PING,
    PRIORITY,
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
    from transport_grpc.limits import Limits

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_LARGEST_WINDOW = 2**31 - 1
_CONTINUATIONS = 64

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
        self._preface = _PREFACE
        self.is_begun = False
        self._unread = b""
        # The rest of a DATA frame, or of one that nobody knows, that is still to come.
        self._left = 0
        self._data_of: Stream | None = None
        self._ends = False
        # A header block in several frames.
        self._block: list[bytes] = []
        self._block_of = 0
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

    def receive_data(self, data: bytes) -> list[object]:  # type: ignore[override]  # it calls, instead of returning events
        """Take what the client sent.

        Raises:
            ProtocolError: The connection cannot go on; the error has the code to say so.
        """
        if self._unread:
            data = self._unread + data
            self._unread = b""
        view = memoryview(data)
        position = self._after_preface(data) if self._preface else 0
        end = len(data)
        while position < end:
            if self._left:
                taken = min(self._left, end - position)
                self._left -= taken
                self._take(view[position : position + taken])
                position += taken
                continue
            if end - position < HEAD_BYTES:
                break
            high, low, kind, flags, stream_id = HEAD.unpack_from(data, position)
            length = high << 8 | low
            stream_id &= LARGEST_STREAM_ID
            self._check(length, kind, stream_id)
            if kind == DATA and not flags & PADDED:
                self._begin_data(stream_id, length, length, flags)
                position += HEAD_BYTES
            elif kind > CONTINUATION:
                # RFC 9113 has unknown frames ignored; grpclib ends the connection.
                self._spend_idle_frame()
                self._left = length
                self._data_of = None
                self._ends = False
                position += HEAD_BYTES
            elif end - position - HEAD_BYTES < length:
                break
            else:
                position += HEAD_BYTES
                self._receive(kind, flags, stream_id, data[position : position + length])
                position += length
        if position < end:
            self._unread = data[position:]
        return []

    def _after_preface(self, data: bytes) -> int:
        """Check the first bytes of the connection; return where its frames begin."""
        expected = self._preface[: len(data)]
        if data[: len(expected)] != expected:
            raise ProtocolError("this is not HTTP/2")
        self._preface = self._preface[len(expected) :]
        return len(expected)

    def _check(self, length: int, kind: int, stream_id: int) -> None:
        if self._block_of and (kind != CONTINUATION or stream_id != self._block_of):
            raise ProtocolError("a header block is interrupted")
        if length > self._limits.max_frame_bytes:
            raise FrameTooLargeError(f"a frame has {length} bytes")
        if kind in (HEADERS, CONTINUATION):
            if length > self._limits.max_header_block_bytes:
                raise DenialOfServiceError("the header block is too large")
        elif kind != DATA and kind <= CONTINUATION and length > self._limits.max_control_frame_bytes:
            raise FrameTooLargeError(f"a frame of type {kind} has {length} bytes")
        if not self.is_begun:
            if kind != SETTINGS:
                raise ProtocolError("a connection begins with SETTINGS")
            self.is_begun = True

    def _receive(self, kind: int, flags: int, stream_id: int, body: bytes) -> None:
        """Take a whole frame."""
        if kind == HEADERS:
            self._receive_headers(flags, stream_id, body)
        elif kind == WINDOW_UPDATE:
            self._receive_window_update(stream_id, body)
        elif kind == RST_STREAM:
            self._receive_reset(stream_id, body)
        elif kind == PING:
            self._receive_ping(flags, stream_id, body)
        elif kind == CONTINUATION:
            self._receive_continuation(flags, stream_id, body)
        elif kind == DATA:
            piece = _without_padding(memoryview(body), flags)
            self._begin_data(stream_id, len(body), len(piece), flags)
            if piece:
                self._left = 0
                self._take(piece)
        elif kind == PUSH_PROMISE:
            raise ProtocolError("a client pushes nothing")
        else:
            self._spend_idle_frame()
            # A client that says GOAWAY still wants the answers that are under way.
            if kind != GOAWAY:
                self._receive_other(kind, flags, stream_id, body)

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

    def _receive_headers(self, flags: int, stream_id: int, body: bytes) -> None:
        view = _without_padding(memoryview(body), flags)
        if flags & PRIORITY:
            if len(view) < 5:
                raise ProtocolError("a HEADERS frame is too short")
            view = view[5:]
        self._ends = bool(flags & END_STREAM)
        block = bytes(view)
        if flags & END_HEADERS:
            self._receive_block(stream_id, block)
        else:
            self._block_of = stream_id
            self._block = [block]

    def _receive_continuation(self, flags: int, stream_id: int, body: bytes) -> None:
        if not self._block_of:
            raise ProtocolError("a CONTINUATION frame continues nothing")
        self._block.append(body)
        size = sum(map(len, self._block))
        if len(self._block) > _CONTINUATIONS or size > self._limits.max_header_block_bytes:
            raise DenialOfServiceError("the header block is too large")
        if flags & END_HEADERS:
            block, self._block, self._block_of = b"".join(self._block), [], 0
            self._receive_block(stream_id, block)

    def _receive_block(self, stream_id: int, block: bytes) -> None:
        head = self._heads.read(block)
        stream = self.streams.get(stream_id)
        if stream is not None:
            if stream.is_ended or not self._ends:
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
            stream = Stream(stream_id, self.remote_settings.initial_window_size, self._limits.window_bytes, self._ends)
            self.streams[stream_id] = stream
            ends = self._ends
            self._receiver.on_request(stream, head)
            if ends and stream_id in self.streams:
                self._receiver.on_end(stream)

    def _begin_data(self, stream_id: int, flow: int, length: int, flags: int) -> None:
        """Begin with a DATA frame.

        Args:
            stream_id: Its stream.
            flow: Its bytes as flow control counts them: with padding.
            length: Its bytes without padding.
            flags: Its flags.
        """
        if not stream_id or stream_id > self.highest_inbound_stream_id:
            raise ProtocolError("DATA belongs to a stream that was begun")
        self._window_left -= flow
        if self._window_left < 0:
            raise FlowControlError("the client sent more than its connection's window")
        self._return_window(flow)
        ends = bool(flags & END_STREAM)
        if not length and not ends:
            self._spend_idle_frame()
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.window_left -= flow
            if stream.is_ended or stream.window_left < 0:
                code = ErrorCodes.STREAM_CLOSED if stream.is_ended else ErrorCodes.FLOW_CONTROL_ERROR
                self.reset(stream, code)
                stream = None
        self._left = length
        self._data_of = stream
        self._ends = ends
        if stream is not None and flow > length:
            self._return_stream_window(stream, flow - length)
        if stream is not None and ends and not length:
            self._end(stream)

    def _take(self, piece: memoryview) -> None:
        """Take a piece of a DATA frame; those of streams that have gone, and of unknown frames, are dropped."""
        stream = self._data_of
        if stream is None or stream.id not in self.streams:
            return
        self._receiver.on_data(stream, piece)
        if not self._left and self._ends and stream.id in self.streams:
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


def _without_padding(body: memoryview, flags: int) -> memoryview:
    if not flags & PADDED:
        return body
    if not body or body[0] >= len(body):
        raise ProtocolError("a frame is shorter than its padding")
    return body[1 : len(body) - body[0]]
