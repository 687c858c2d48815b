"""The shared area: what one end puts in, the other one gets, and gives back when nobody looks at it any more."""

import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from mlcore.engines.process.shared_area import BLOCK, BLOCKS, SharedArea

Ends = tuple[SharedArea, SharedArea]


@pytest.fixture
def ends() -> Iterator[Ends]:
    descriptor = SharedArea.create("test")
    yield SharedArea(descriptor), SharedArea(descriptor)
    os.close(descriptor)


def test_pieces_arrive_as_one_payload(ends: Ends) -> None:
    sender, receiver = ends

    start = sender.put([b"ab", bytearray(b"cd"), memoryview(b"ef")], 6, None)

    assert start is not None
    assert bytes(receiver.get(start, 6)) == b"abcdef"


@pytest.mark.parametrize("head_length", [None, 1, 15, 16, 1000])
def test_what_follows_a_head_is_aligned(ends: Ends, head_length: int | None) -> None:
    sender, receiver = ends
    start = sender.put([bytes(2000)], 2000, head_length)
    assert start is not None

    tensor = np.frombuffer(receiver.get(start, 2000)[head_length or 0 :], np.uint8)

    assert tensor.__array_interface__["data"][0] % 16 == 0
    assert tensor.flags.writeable


def test_blocks_are_given_back_with_the_last_view_of_any_kind(ends: Ends) -> None:
    sender, receiver = ends
    start = sender.put([bytes(3 * BLOCK)], 3 * BLOCK, None)
    assert start is not None
    view = receiver.get(start, 3 * BLOCK)
    part = np.frombuffer(view[10:50], np.float64)[2:]
    assert sender.taken == 3

    del view
    assert sender.taken == 3
    del part
    assert sender.taken == 0


def test_any_thread_may_let_go_of_the_last_view(ends: Ends) -> None:
    sender, receiver = ends
    start = sender.put([bytes(BLOCK)], BLOCK, None)
    assert start is not None
    held = [receiver.get(start, BLOCK)]

    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()

    assert sender.taken == 0


def test_a_payload_that_does_not_fit_is_refused_and_takes_nothing(ends: Ends) -> None:
    sender, receiver = ends
    first = sender.put([bytes(BLOCK)], BLOCK, None)
    assert first is not None

    assert sender.put([bytes(BLOCKS * BLOCK)], BLOCKS * BLOCK, None) is None
    assert sender.taken == 1
    receiver.get(first, BLOCK).release()
    assert sender.put([bytes(BLOCKS * BLOCK)], BLOCKS * BLOCK, None) is not None


def test_payloads_never_overlap(ends: Ends) -> None:
    sender, receiver = ends
    views = {}
    for number in range(200):
        length = (number * 7919) % (5 * BLOCK) + 1
        start = sender.put([bytes([number % 256]) * length], length, number)
        assert start is not None
        views[number] = receiver.get(start, length)
        views.pop(number // 2, None) if number % 3 else None

    assert all(set(view) == {number % 256} for number, view in views.items())


@pytest.mark.parametrize(("start", "length"), [(0, 10), (BLOCKS * BLOCK, 2 * BLOCK), (2**40, 1)])
def test_a_place_outside_is_refused(ends: Ends, start: int, length: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        ends[1].get(start, length)
