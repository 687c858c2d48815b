"""`ModelStreamInfer`: many requests over one call, each with as many answers as its model gives.

The requests of one call run side by side, as clients of decoupled models expect, and answers carry the id of their
request. Those of one sequence, which the parameter `sequence_id` names, run one after another in the order they came.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from mlcore_protocol.protobuf import inference

from transport_grpc.services.infer import metadata_of
from transport_grpc.status import failure

if TYPE_CHECKING:
    from mlcore.dispatcher import Dispatcher
    from mlcore.engine import Call
    from mlcore_protocol import Buffer
    from mlcore_protocol.protobuf_head import ProtobufHead

    from transport_grpc.call import ServerCall
    from transport_grpc.services.infer import Reading

# Requests of one call that run at once; further ones wait in the client, held back by flow control.
_SIDE_BY_SIDE = 64

# Field 2 of ModelStreamInferResponse, and its end.
_INFER_RESPONSE = b"\x12"

_STATUS_WANTED = b"triton_grpc_error"
_FINAL_WANTED = "triton_enable_empty_final_response"
_FINAL = "triton_final_response"


class StreamInfer:
    """Answers `ModelStreamInfer` as Triton does.

    Args:
        dispatcher: Where calls go.
        read: Reads what a message asks.
    """

    def __init__(self, dispatcher: Dispatcher, read: Reading) -> None:
        self._stream = dispatcher.stream
        self._read = read

    async def __call__(self, call: ServerCall) -> None:
        """Answer one call, until its client sends no more and everything is answered."""
        session = _Session(call, self._stream, self._read)
        try:
            await session.run()
        finally:
            await session.stop()


class _Session:
    """The requests of one call.

    Args:
        call: The call.
        stream: What answers a request.
        read: Reads what a message asks.
    """

    def __init__(self, call: ServerCall, stream: Any, read: Reading) -> None:
        self._call = call
        self._stream = stream
        self._request_of = read
        self._wants_status = any(name == _STATUS_WANTED and value == b"true" for name, value in call.metadata)
        self._running: set[asyncio.Task[None]] = set()
        self._sequences: dict[Any, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(_SIDE_BY_SIDE)
        self._bytes = 0
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Answer every request.

        Raises:
            GRPCError: The client wants errors as a status, and there was one.
        """
        reading = asyncio.ensure_future(self._read())
        try:
            await asyncio.wait({reading, self._failed}, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
            await reading
            while self._running and not self._failed.done():
                await asyncio.wait({self._failed, *self._running}, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
        finally:
            reading.cancel()
            self._failed.cancel()

    async def stop(self) -> None:
        """Stop what is under way."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def _read(self) -> None:
        while True:
            await self._room.acquire()
            while self._bytes > self._call.method.limit:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            body = await self._call.recv_message()
            if body is None:
                return
            self._begin(body)

    def _begin(self, body: Buffer) -> None:
        request_id = None
        sequence = None
        wants_final = False
        try:
            request, head = self._request_of(body, self._call)
            request_id = head.id
            sequence, wants_final = _asked(head)
        except Exception as error:  # told to the client, whatever it is
            task = asyncio.ensure_future(self._tell(error, request_id))
        else:
            before = self._sequences.get(sequence) if sequence else None
            task = asyncio.ensure_future(self._answer(request, wants_final, before))
        self._running.add(task)
        self._call.under_way += 1
        self._bytes += len(body)
        if sequence:
            self._sequences[sequence] = task
        task.add_done_callback(lambda done: self._end(done, sequence, len(body)))

    def _end(self, task: asyncio.Task[None], sequence: Any, size: int) -> None:
        self._running.discard(task)
        self._bytes -= size
        self._call.under_way -= 1
        self._room.release()
        if sequence and self._sequences.get(sequence) is task:
            del self._sequences[sequence]
        if not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _answer(self, request: Call, wants_final: bool, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        try:
            async with aclosing(self._stream(request)) as answers:
                async for answer in answers:
                    if answer.headers:
                        self._call.trailing = metadata_of(answer.headers)
                    size = sum(map(len, answer.buffers))
                    await self._call.send_message([_INFER_RESPONSE + _varint(size), *answer.buffers])
        except Exception as error:  # told to the client, whatever it is
            await self._tell(error, request.request_id)
            return
        if wants_final:
            await self._call.send_message(
                inference.ModelStreamInferResponse(
                    infer_response=inference.ModelInferResponse(
                        model_name=request.model,
                        model_version=request.version or "",
                        id=request.request_id or "",
                        parameters={_FINAL: inference.InferParameter(bool_param=True)},
                    )
                )
            )

    async def _tell(self, error: Exception, request_id: str | None) -> None:
        """Tell the client of an error: the stream goes on, unless it asked for a status instead."""
        told = failure(error, self._call.method.name)
        if self._wants_status:
            raise told
        await self._call.send_message(
            inference.ModelStreamInferResponse(
                error_message=told.message or told.status.name,
                infer_response=inference.ModelInferResponse(id=request_id or ""),
            )
        )


class BareStreamInfer:
    """Answers `ModelStreamInfer` as MLServer does: bare answers, one request after another, an error as the status.

    Args:
        dispatcher: Where calls go.
        read: Reads what a message asks.
    """

    def __init__(self, dispatcher: Dispatcher, read: Reading) -> None:
        self._stream = dispatcher.stream
        self._read = read

    async def __call__(self, call: ServerCall) -> None:
        """Answer one call, until its client sends no more, or a request fails."""
        is_empty = True
        while (body := await call.recv_message()) is not None:
            is_empty = False
            request, _ = self._read(body, call)
            async with aclosing(self._stream(request)) as answers:
                async for answer in answers:
                    if answer.headers:
                        call.trailing = metadata_of(answer.headers)
                    await call.send_message(answer.buffers)
        if is_empty:
            raise GRPCError(Status.INVALID_ARGUMENT, "the stream has no request")


def _asked(head: ProtobufHead) -> tuple[Any, bool]:
    """Return what a request says of its sequence, and whether it wants to be told that there are no more answers."""
    parameters = head.parameters()
    if parameters is None:
        return None, False
    plain = parameters.model_dump()
    return plain.get("sequence_id"), plain.get(_FINAL_WANTED) is True


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)
