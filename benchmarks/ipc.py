"""What one hop between the front and a worker costs, by size and by way: the reason for `LARGE` and for the framing.

Three ways, each to a process that sends back what it gets: asyncio's streams with pickled messages, the channel with
everything through its socket, and the channel with payloads through the shared area. The table shows microseconds for
a round trip on its own, and exchanges a second with many under way.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pickle
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from mlcore.engines.process import channel as channels
from mlcore.engines.process.channel import LARGE, Channel
from mlcore.engines.process.frames import Frame, Kind
from mlcore.engines.process.shared_area import SharedArea
from mlcore.event_loop import loop_factory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WAYS = ("streams", "socket", "area")
SIZES = (100, 4_000, 16_000, 32_000, 64_000, 128_000, 600_000, 4_000_000)
FACTS = [1, "identity", None, "application/json", [[b"host", b"localhost"], [b"content-length", b"100"]], None]


class Peer:
    """One end of a channel, which counts its exchanges."""

    def __init__(self, way: str, outgoing: SharedArea | None, incoming: SharedArea | None) -> None:
        self.channel = Channel(self._on_frame, lambda: self.done.set(), outgoing if way == "area" else None, incoming)
        self.done = asyncio.Event()
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._number = 0

    def _on_frame(self, frame: Frame) -> None:
        if frame.kind is Kind.INFER:
            self.channel.send(Kind.ANSWER, frame.number, frame.facts[:2], (frame.payload,), frame.head_length)
        else:
            self._waiting.pop(frame.number).set_result(frame)

    async def ask(self, payload: bytearray) -> None:
        """Send a payload and wait for its return."""
        self._number += 1
        answer = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        self.channel.send(Kind.INFER, self._number, FACTS, (payload,))
        assert len((await answer).payload) == len(payload)


async def echo(way: str, taken: socket.socket, outgoing: int, incoming: int) -> None:
    """Send back what comes, until the other end closes."""
    if way == "streams":
        reader, writer = await asyncio.open_unix_connection(sock=taken)
        while size := await reader.read(8):
            message = pickle.loads(await reader.readexactly(int.from_bytes(size, "little")))  # our own
            _write(writer, message)
        return
    peer = Peer(way, SharedArea(outgoing), SharedArea(incoming))
    await asyncio.get_running_loop().create_unix_connection(lambda: peer.channel, sock=taken)
    await peer.done.wait()


def _write(writer: asyncio.StreamWriter, message: Any) -> None:
    packed = pickle.dumps(message)
    writer.write(len(packed).to_bytes(8, "little"))
    writer.write(packed)


async def measured(ask: Callable[[bytearray], Awaitable[None]], size: int, seconds: float) -> tuple[float, float]:
    """Return microseconds for a round trip, and exchanges a second with many under way."""
    payload = bytearray(os.urandom(size))
    for _ in range(50):
        await ask(payload)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        await ask(payload)
        count += 1
    alone_us = (time.perf_counter() - began) / count * 1e6
    end = time.perf_counter() + seconds
    counts = []

    async def client() -> None:
        mine = 0
        while time.perf_counter() < end:
            await ask(payload)
            mine += 1
        counts.append(mine)

    await asyncio.gather(*(client() for _ in range(32 if size < 100_000 else 8)))
    return alone_us, sum(counts) / seconds


async def way_figures(way: str, seconds: float) -> dict[int, tuple[float, float]]:
    """Measure one way."""
    ours, theirs = socket.socketpair()
    areas = [SharedArea.create("calls"), SharedArea.create("answers")]
    passed = [theirs.fileno(), areas[1], areas[0]]
    process = subprocess.Popen(  # noqa: ASYNC220  # nothing else runs on this loop
        [sys.executable, __file__, "--echo", way, *map(str, passed)], pass_fds=passed
    )
    theirs.close()
    channels.LARGE = 0 if way == "area" else LARGE
    try:
        if way == "streams":
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            waiting: dict[int, asyncio.Future[bytes]] = {}

            async def answers() -> None:
                while size := await reader.read(8):
                    number, _, payload = pickle.loads(await reader.readexactly(int.from_bytes(size, "little")))
                    waiting.pop(number).set_result(payload)

            number = 0

            async def ask(payload: bytearray) -> None:
                nonlocal number
                number += 1
                answer = waiting[number] = asyncio.get_running_loop().create_future()
                _write(writer, (number, FACTS, payload))
                await answer

            task = asyncio.create_task(answers())
            figures = {size: await measured(ask, size, seconds) for size in SIZES}
            task.cancel()
            writer.close()
        else:
            peer = Peer(way, SharedArea(areas[0]), SharedArea(areas[1]))
            await asyncio.get_running_loop().create_unix_connection(lambda: peer.channel, sock=ours)
            figures = {size: await measured(peer.ask, size, seconds) for size in SIZES}
            peer.channel.close()
    finally:
        process.terminate()
        process.wait()
        for area in areas:
            os.close(area)
    return figures


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.7, help="of each measurement")
    parser.add_argument("--echo", nargs=4, metavar=("WAY", "SOCKET", "OUTGOING", "INCOMING"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        if given.echo:
            way, taken, outgoing, incoming = given.echo
            channels.LARGE = 0 if way == "area" else LARGE
            runner.run(echo(way, socket.socket(fileno=int(taken)), int(outgoing), int(incoming)))
            return
        figures = {way: runner.run(way_figures(way, given.seconds)) for way in WAYS}
    print(f"{'bytes':>10}" + "".join(f"{f'{way}: us':>16}{'per second':>12}" for way in WAYS))
    for size in SIZES:
        cells = "".join(f"{figures[way][size][0]:>16.0f}{figures[way][size][1]:>12,.0f}" for way in WAYS)
        print(f"{size:>10,}{cells}")


if __name__ == "__main__":
    main()
