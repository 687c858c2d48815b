"""Writes of one turn of the loop leave in one piece, in their order."""

import asyncio

from transport_rest.joined_writes import JoinedWrites


class Recorder(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": "somebody"})
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


async def test_pieces_of_one_turn_leave_together_at_its_end() -> None:
    recorder = Recorder()
    joined = JoinedWrites(recorder, asyncio.get_running_loop())

    joined.write(b"head, ")
    joined.write(b"body")
    at_once = list(recorder.written)
    await asyncio.sleep(0)

    assert at_once == []
    assert recorder.written == [b"head, body"]


async def test_pieces_of_two_turns_leave_apart() -> None:
    recorder = Recorder()
    joined = JoinedWrites(recorder, asyncio.get_running_loop())

    joined.write(b"one")
    await asyncio.sleep(0)
    joined.write(b"two")
    await asyncio.sleep(0)

    assert recorder.written == [b"one", b"two"]


async def test_a_large_piece_leaves_at_once_and_after_what_came_before() -> None:
    recorder = Recorder()
    joined = JoinedWrites(recorder, asyncio.get_running_loop())

    joined.write(b"head")
    joined.write(b"x" * 100_000)
    at_once = list(recorder.written)
    await asyncio.sleep(0)

    assert at_once == [b"head", b"x" * 100_000]
    assert recorder.written == at_once


async def test_many_pieces_of_one_turn_do_not_pile_up() -> None:
    recorder = Recorder()
    joined = JoinedWrites(recorder, asyncio.get_running_loop())

    for number in range(100):
        joined.write(bytes([number]) * 10_000)
    at_once = b"".join(recorder.written)
    await asyncio.sleep(0)

    assert len(at_once) > 900_000
    assert b"".join(recorder.written) == b"".join(bytes([number]) * 10_000 for number in range(100))


async def test_a_view_is_sent_as_it_was_when_it_was_written() -> None:
    recorder = Recorder()
    joined = JoinedWrites(recorder, asyncio.get_running_loop())
    array = bytearray(b"mine")

    joined.write(memoryview(array))
    array[:] = b"next"
    await asyncio.sleep(0)

    assert recorder.written == [b"mine"]


async def test_nothing_is_sent_to_a_client_that_has_gone() -> None:
    recorder = Recorder()
    joined = JoinedWrites(recorder, asyncio.get_running_loop())

    joined.write(b"too late")
    recorder.is_closed = True
    await asyncio.sleep(0)

    assert recorder.written == []


async def test_closing_sends_what_was_written_first() -> None:
    recorder = Recorder()
    joined = JoinedWrites(recorder, asyncio.get_running_loop())

    joined.write(b"last words")
    joined.close()

    assert recorder.written == [b"last words"]
    assert recorder.is_closed


async def test_everything_else_is_the_real_transports() -> None:
    joined = JoinedWrites(Recorder(), asyncio.get_running_loop())

    assert joined.get_extra_info("peername") == "somebody"
