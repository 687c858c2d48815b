"""A way to the broker that can be shut, encrypted, and kept by a password, as brokers of others are."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

# The numbers of Kafka's requests that say who the client is.
_HANDSHAKE = 17
_AUTHENTICATE = 36


class Gate:
    """Passes connections on to a broker.

    Args:
        tls: What connections are encrypted with, if they are.
        password: What clients have to say first, as SASL's PLAIN has it.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, password: bytes | None = None) -> None:
        self._tls = tls
        self._password = password
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.target = 0
        self.is_open = False
        self.refused = 0

    async def listen(self) -> int:
        """Take a port, and return it."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def open(self, target: int) -> None:
        """Pass connections on to a port."""
        self.target, self.is_open = target, True

    def shut(self) -> None:
        """Cut every connection, and pass on no more."""
        self.is_open = False
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        """Let go of the port."""
        self.shut()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if not self.is_open:
            self.refused += 1
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers |= {writer, back}
        try:
            if self._password is not None:
                await self._let_in(reader, writer, there, back)
            await asyncio.gather(_pass(reader, back), _pass(there, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # asyncio would make a line of the log of it
        finally:
            for ended in (writer, back):
                ended.transport.abort()
                self._writers.discard(ended)

    async def _let_in(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        """Ask for the password; what else the client wants to know first, it is told by the broker."""
        while True:
            request = await _frame(reader)
            kind, version, number = struct.unpack(">hhi", request[:8])
            if kind == _HANDSHAKE:
                writer.write(_framed(number, struct.pack(">hih", 0, 1, 5) + b"PLAIN"))
            elif kind == _AUTHENTICATE:
                is_known = self._password is not None and request.endswith(self._password)
                self.refused += not is_known
                said = struct.pack(">hhi", 0, -1, 0) if is_known else struct.pack(">hh", 58, 2) + b"no" + bytes(4)
                writer.write(_framed(number, said + bytes(8) * (version > 0)))
                if is_known:
                    return
            else:
                back.write(len(request).to_bytes(4, "big") + request)
                answer = await _frame(there)
                writer.write(len(answer).to_bytes(4, "big") + answer)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError


async def _frame(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))


def _framed(number: int, answer: bytes) -> bytes:
    frame = number.to_bytes(4, "big") + answer
    return len(frame).to_bytes(4, "big") + frame
