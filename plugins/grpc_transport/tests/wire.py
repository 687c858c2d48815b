"""A client that may send any byte, and what it sends."""

from __future__ import annotations

import contextlib
import socket
import time

import grpc
from hpack import Decoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from mlcore_protocol.protobuf import inference
from transport_grpc.frames import frame_head
from transport_grpc.header_block import encode

SERVICE = "/inference.GRPCInferenceService"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def request(*texts, model="doing", **members):
    """Return an infer request for a text, as bytes."""
    tensor = inference.ModelInferRequestInferInputTensor(
        name="text",
        datatype="BYTES",
        shape=[len(texts)],
        contents=inference.InferTensorContents(bytes_contents=[text.encode() for text in texts]),
    )
    return bytes(inference.ModelInferRequest(model_name=model, inputs=[tensor], **members))


def said(answer):
    """Return what the model said."""
    return inference.ModelInferResponse.parse(answer).outputs[0].contents.bytes_contents[0].decode()


def unknown(kind, stream_id, body):
    """Return a frame of a type that nobody knows."""
    return frame_head(len(body), kind, 0, stream_id) + body


def framed(message, flag=0):
    return bytes([flag]) + len(message).to_bytes(4, "big") + message


def infer(channel, *texts, **options):
    return channel.unary_unary(f"{SERVICE}/ModelInfer")(request(*texts), timeout=60, **options)


def assert_well(address):
    """Check that a server answers, and answers right."""
    with grpc.insecure_channel(address) as channel:
        assert said(infer(channel, "say well")) == "well"


def eventually(condition, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


class Wire:
    """A client that may send any byte, and reads frames.

    Attributes:
        headers: The last headers of each stream.
        data: What each stream's DATA frames held.
        resets: The error codes of the streams that were reset.
        ended: The streams that have ended.
        goaway: The error code of the GOAWAY frame.
    """

    def __init__(self, address, settings=None, is_begun=True):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        self._decoder = Decoder()
        self.headers, self.data, self.resets, self.ended = {}, {}, {}, set()
        self.goaways, self.pongs, self.pings, self.is_closed = [], 0, [], False
        self.settings, self.windows = {}, {}
        if is_begun:
            self.send(PREFACE, SettingsFrame(0, settings=settings or {}))

    def send(self, *pieces):
        """Send frames, or bytes; a server that has closed the connection takes nothing."""
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(b"".join(p if isinstance(p, bytes) else p.serialize() for p in pieces))

    def head(self, stream_id, path=f"{SERVICE}/ModelInfer", ends=False, headers=(), without=(), **replaced):
        """Return a HEADERS frame of a call."""
        lines = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "localhost",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        lines.update({name.replace("_", "-"): value for name, value in replaced.items()})
        block = [(name.encode(), value.encode()) for name, value in lines.items() if name not in without]
        return self.block(stream_id, block + list(headers), ends)

    def block(self, stream_id, headers, ends=False):
        frame = HeadersFrame(stream_id, encode(headers))
        frame.flags.add("END_HEADERS")
        if ends:
            frame.flags.add("END_STREAM")
        return frame

    def body(self, stream_id, data, ends=True):
        frame = DataFrame(stream_id, data)
        if ends:
            frame.flags.add("END_STREAM")
        return frame

    def ask(self, stream_id, *texts, **options):
        """Send a whole infer call."""
        self.send(self.head(stream_id, **options), self.body(stream_id, framed(request(*texts))))

    def reset(self, stream_id, code=8):
        return RstStreamFrame(stream_id, error_code=code)

    def read(self, until, timeout_s=60):
        """Read frames until a condition holds, or the server closes."""
        end = time.monotonic() + timeout_s
        while not until(self) and not self.is_closed:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            self.is_closed = not data
            self._unread += data
            while len(self._unread) >= 9:
                frame, length = Frame.parse_frame_header(memoryview(self._unread[:9]))
                if len(self._unread) < 9 + length:
                    break
                frame.parse_body(memoryview(self._unread[9 : 9 + length]))
                self._unread = self._unread[9 + length :]
                self._take(frame)
        return self

    def _take(self, frame):
        if isinstance(frame, HeadersFrame):
            self.headers.setdefault(frame.stream_id, {}).update(self._decoder.decode(frame.data))
        elif isinstance(frame, DataFrame):
            self.data.setdefault(frame.stream_id, bytearray()).extend(frame.data)
        elif isinstance(frame, RstStreamFrame):
            self.resets.setdefault(frame.stream_id, frame.error_code)
        elif isinstance(frame, WindowUpdateFrame):
            self.windows[frame.stream_id] = self.windows.get(frame.stream_id, 0) + frame.window_increment
        elif isinstance(frame, GoAwayFrame):
            self.goaways.append((frame.error_code, frame.last_stream_id))
        elif isinstance(frame, PingFrame) and "ACK" in frame.flags:
            self.pongs += 1
        elif isinstance(frame, PingFrame):
            self.pings.append(frame.opaque_data)
        elif isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.settings.update(frame.settings)
        if "END_STREAM" in getattr(frame, "flags", ()):
            self.ended.add(frame.stream_id)

    def over(self, stream_id):
        """Read until a call is over; return its gRPC status as a number, or `None` if it has none."""
        self.read(lambda wire: stream_id in wire.ended or stream_id in wire.resets)
        return self.status(stream_id)

    def status(self, stream_id):
        status = self.headers.get(stream_id, {}).get("grpc-status")
        return None if status is None else int(status)

    def message(self, stream_id):
        return self.headers[stream_id].get("grpc-message")

    def closed(self):
        """Read until the server closes; return the error code of its last GOAWAY."""
        self.read(lambda wire: False)
        return self.goaways[-1][0] if self.goaways else None

    def close(self):
        self.socket.close()
