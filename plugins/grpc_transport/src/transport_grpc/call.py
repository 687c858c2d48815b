"""One call: what its client sends and is sent. Messages come and go as in grpclib's `server.Stream`."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.stream import StreamIterator

from transport_grpc.codec import decode, encode
from transport_grpc.compression import packed, too_large, unpacked
from transport_grpc.frames import headers_frame
from transport_grpc.header_block import encode as header_block
from transport_grpc.messages import PREFIX, MessageReader
from transport_grpc.status import INITIAL, OK_TRAILERS, failure, retry_headers, trailers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore.access.identity import Identity
    from mlcore_protocol import Buffer
    from mlcore_protocol.protobuf_head import ProtobufHead

    from transport_grpc.header_block import Header
    from transport_grpc.messages import Message
    from transport_grpc.methods import Method
    from transport_grpc.observer import CallObserver
    from transport_grpc.protocol import GrpcProtocol
    from transport_grpc.request_head import RequestHead
    from transport_grpc.server_span import CallTrace
    from transport_grpc.stream import Stream


class ServerCall(StreamIterator[Any]):
    """One call.

    Args:
        method: What is called.
        head: What its headers say.
        stream: Its stream.
        connection: Its connection.
        observer: Is told when it begins and ends.
        min_packed: The least bytes of an answer that are compressed; `None` for never.

    Attributes:
        arrived: When it arrived, by the machine's monotonic clock.
        deadline: When its client waits no longer, by the same clock.
        received: Bytes of its requests.
        sent: Bytes of its answers.
        under_way: Requests of a stream that are being answered.
        status: How it ended; `None` until then.
        asked: What its last message asks for, where it is one for a model.
        trace: Its span, if it is traced.
        identity: Whose call it is, where there is a guard and the method is not open.
        trailing: What is sent after the answers of a stream, once it ends well.
    """

    identity: Identity | None = None

    def __init__(
        self,
        method: Method,
        head: RequestHead,
        stream: Stream,
        connection: GrpcProtocol,
        observer: CallObserver,
        min_packed: int | None,
    ) -> None:
        self.method = method
        self.head = head
        self.arrived = time.monotonic()
        self.deadline: float | None = None
        self.received = 0
        self.sent = 0
        self.under_way = 0
        self.status: Status | None = None
        self.asked: ProtobufHead | None = None
        self.trace: CallTrace | None = None
        self.trailing: Sequence[Header] = ()
        self._stream = stream
        self._connection = connection
        self._observer = observer
        self._packing = head.encoding if min_packed is not None and head.encoding != b"identity" else None
        self._min_packed = min_packed or 0
        self._reader = MessageReader(method.limit, method.limit_name)
        self._messages: deque[Message] = deque()
        self._unread = 0
        self._arriving: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._has_begun = False
        observer.begin(self)
        if head.timeout_s is not None:
            self.deadline = self.arrived + head.timeout_s
            self._timer = connection.loop.call_later(head.timeout_s, self._expire)
        if method.streams_in:
            self._start()

    @property
    def metadata(self) -> list[Header]:
        """The client's metadata, names in lower case, as they came."""
        return self.head.metadata

    @property
    def peer(self) -> str | None:
        """The client's address."""
        return self._connection.peer

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """The names in the client's certificate, where there is a guard to ask for them."""
        return self._connection.certificate_names

    # --- what comes in ---

    def feed(self, piece: memoryview) -> None:
        """Take a piece of what the client sends."""
        size = len(piece)
        self.received += size
        try:
            self._messages.extend(self._reader.feed(piece))
        except GRPCError as error:
            self.refuse(error)
            return
        if not self.method.streams_in:
            if not self._messages:
                self._connection.inflow.take(self._stream, size)
            elif len(self._messages) == 1:
                self._connection.inflow.complete(self._stream)
            else:
                self.refuse(GRPCError(Status.INVALID_ARGUMENT, f"{self.method.name} takes one message, got more"))
            return
        # A client of many messages may go on when they are taken.
        self._unread += size
        if not self._messages:
            self._return_window()
        self._wake()

    def end(self) -> None:
        """Note that the client sends no more."""
        if self.status is not None:
            return
        if not self._reader.is_between_messages:
            self.refuse(GRPCError(Status.INVALID_ARGUMENT, "the call ends in the middle of a message"))
        elif self.method.streams_in:
            self._wake()
        elif not self._messages:
            self.refuse(GRPCError(Status.INVALID_ARGUMENT, f"{self.method.name} takes one message, got none"))
        elif self.deadline is not None and time.monotonic() >= self.deadline:
            self._expire()
        else:
            self._start()

    async def recv_message(self) -> Any:
        """Return the next message, or `None` if the client sends no more.

        Raises:
            GRPCError: It is no message of the method's type.
        """
        while not self._messages:
            if self._stream.is_ended:
                return None
            self._arriving = self._connection.loop.create_future()
            await self._arriving
        body, is_packed = self._messages.popleft()
        if self._unread and not self._messages:
            self._return_window()
        if is_packed:
            body = await unpacked(body, self.head.encoding, self.method.limit)
        if self.method.opens_off_loop and len(body) > self.method.opens_off_loop:
            return await asyncio.to_thread(decode, body, self.method.request_type)
        return decode(body, self.method.request_type)

    def _return_window(self) -> None:
        size, self._unread = self._unread, 0
        self._connection.http2.read(self._stream, size)

    def _wake(self) -> None:
        if self._arriving is not None and not self._arriving.done():
            self._arriving.set_result(None)

    # --- what goes out ---

    async def send_message(self, message: Any) -> None:
        """Send one answer; a list of buffers as it is. Waits while the client does not take what was sent before."""
        buffers, size = await self._framed(encode(message))
        if self.status is not None:
            raise asyncio.CancelledError
        self._begin(())
        self._connection.outbox.send(self._stream, buffers, size)
        self._connection.http2.earn()
        await self._connection.outbox.room(self._stream)

    async def answer(self, message: Any, metadata: Sequence[Header] = ()) -> None:
        """Send the one answer and end the call, in one piece."""
        buffers, size = await self._framed(encode(message))
        if self.status is not None:
            return
        extra = header_block(metadata) if metadata else b""
        self._begin(metadata)
        self._connection.outbox.send(self._stream, buffers, size, OK_TRAILERS + extra)
        self._ended(Status.OK)

    def fail(self, error: BaseException) -> None:
        """End the call with an error."""
        told = failure(error, self.method.name)
        self._finish(told.status, trailers(told.status, told.message) + header_block(retry_headers(error)))

    async def _framed(self, buffers: Sequence[Buffer]) -> tuple[list[Buffer], int]:
        """Return a message with its prefix, and its bytes; compressed, if the client compresses."""
        size = sum(map(len, buffers))
        flag = 0
        if self._packing is not None and size >= self._min_packed:
            buffers = [await packed(buffers, self._packing)]
            flag, size = 1, len(buffers[0])
        if size > 2**32 - 1:
            raise too_large(2**32 - 1)
        size += 5
        self.sent += size
        return [PREFIX.pack(flag, size - 5), *buffers], size

    def _begin(self, metadata: Sequence[Header]) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        block = INITIAL + header_block(metadata) if metadata else INITIAL
        if self._packing is not None:
            block += header_block([(b"grpc-encoding", self._packing)])
        self._connection.outbox.write(headers_frame(self._stream.id, block, ends_stream=False))

    def _finish(self, status: Status, block: bytes) -> None:
        if self.status is None:
            start = b"" if self._has_begun else INITIAL
            self._connection.outbox.end(self._stream, start + block)
            self._ended(status)

    # --- the life of the call ---

    def _start(self) -> None:
        if self._timer is not None and self.method.keeps_time:
            self._timer.cancel()
        self._task = self._connection.loop.create_task(
            self._run(), context=None if self.trace is None else self.trace.context
        )

    async def _run(self) -> None:
        try:
            await self.method.func(self)
            if self.status is None:
                extra = header_block(self.trailing) if self.trailing else b""
                self._finish(Status.OK, OK_TRAILERS + extra)
        except asyncio.CancelledError:
            if self.status is None:
                raise
        except Exception as error:  # the client gets an answer whatever fails
            if self.status is None:
                self.fail(error)

    def refuse(self, error: GRPCError) -> None:
        """End the call now, and stop what is under way for it. Its client does not wait for that."""
        if self.status is None:
            self.fail(error)
        if self._task is not None:
            self._task.cancel()

    def _expire(self) -> None:
        self.refuse(GRPCError(Status.DEADLINE_EXCEEDED, f"the call was not done within {self.head.timeout_s:g} s"))

    def abandon(self) -> None:
        """Note that the client has gone, and stop what is under way for it."""
        if self.status is None:
            self._ended(Status.CANCELLED)
        if self._task is not None:
            self._task.cancel()

    def _ended(self, status: Status) -> None:
        self.status = status
        if self._timer is not None:
            self._timer.cancel()
        self._connection.inflow.release(self._stream)
        self._observer.end(self, status)

    @property
    def is_idle(self) -> bool:
        """Whether the call waits for its client, and has nothing to do for it."""
        is_waiting = self._arriving is not None and not self._arriving.done()
        return is_waiting and not self._messages and not self.under_way
