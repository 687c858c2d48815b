"""Frames arrive whole and in their order, however they leave."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
import uvloop
from many import eventually
from mlcore.engines.process.channel import LARGE, Channel
from mlcore.engines.process.frames import Frame, Kind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SIZES = [10, 10, LARGE, 10, 0, LARGE + 1, *[10] * 20, 1_000_000, 10]


class End:
    """One end of a channel, and what has arrived there."""

    def __init__(self) -> None:
        self.arrived: list[Frame] = []
        self.is_closed = False
        self.channel = Channel(self.arrived.append, self._close)

    def _close(self) -> None:
        self.is_closed = True


def with_ends(test: Callable[[End, End], Awaitable[None]]) -> None:
    """Run a test with both ends of a channel, on the loop that servers have."""

    async def run() -> None:
        here, there = End(), End()
        for end, taken in zip((here, there), socket.socketpair(), strict=True):
            await asyncio.get_running_loop().create_unix_connection(lambda end=end: end.channel, sock=taken)
        await test(here, there)
        here.channel.close()
        await eventually(lambda: here.is_closed and there.is_closed)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_frames_of_one_turn_arrive_in_their_order() -> None:
    async def test(here: End, there: End) -> None:
        for number, size in enumerate(SIZES):
            here.channel.send(Kind.INFER, number, {"size": size}, [b"x" * size])
        await eventually(lambda: len(there.arrived) == len(SIZES))

        assert [frame.number for frame in there.arrived] == list(range(len(SIZES)))
        assert [len(frame.payload) for frame in there.arrived] == SIZES

    with_ends(test)


@pytest.mark.parametrize("many", [1, 2, 100])
def test_frames_that_may_wait_keep_their_order_among_those_that_may_not(many: int) -> None:
    async def test(here: End, there: End) -> None:
        for number in range(many):
            here.channel.send(Kind.ANSWER, number, None, [b"x"], may_wait=True)
        here.channel.send(Kind.ANSWER, many, None, [b"x" * LARGE], may_wait=True)
        here.channel.send(Kind.ANSWER, many + 1, None, [b"x"], may_wait=True)
        here.channel.send(Kind.ANSWER, many + 2, None, [b"x"])
        await eventually(lambda: len(there.arrived) == many + 3)

        assert [frame.number for frame in there.arrived] == list(range(many + 3))

    with_ends(test)


@pytest.mark.parametrize("may_wait", [False, True])
def test_what_was_sent_leaves_before_the_end(may_wait: bool) -> None:
    async def test(here: End, there: End) -> None:
        here.channel.send(Kind.CANCEL, 1, may_wait=may_wait)
        here.channel.close()
        await eventually(lambda: there.is_closed)

        assert [frame.number for frame in there.arrived] == [1]
        with pytest.raises(ConnectionResetError):
            here.channel.send(Kind.CANCEL, 2)

    with_ends(test)
