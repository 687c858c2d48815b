"""A network between client and server that has faults: it delays, cuts and throttles what passes."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class FaultProxy:
    """Listens on a port of its own and passes on to a server, as badly as it is told to.

    Args:
        port: The server's port.

    Attributes:
        delay_s: How long each piece is on its way.
        piece_bytes: The most that passes at once.
        is_stuck: Whether nothing passes any more, and nobody is told.
        port: Where clients connect.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._connections: set[asyncio.StreamWriter] = set()
        self.delay_s = 0.0
        self.piece_bytes = 65536
        self.is_stuck = False

    async def __aenter__(self) -> FaultProxy:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._listener.close()
        await self._listener.wait_closed()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._connections):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._connections |= {writer, there_writer}
        try:
            await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer))
        finally:
            self._connections -= {writer, there_writer}
            for each in (writer, there_writer):
                each.close()
                with suppress(OSError):
                    await each.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(self.piece_bytes):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                while self.is_stuck:
                    await asyncio.sleep(0.01)
                writer.write(piece)
                await writer.drain()
            writer.write_eof()
