"""The status page: what a worker shows the front, also when it has ended."""

import os
from collections.abc import Iterator

import pytest
from mlcore.engines.process.status_page import StatusPage

Pages = tuple[StatusPage, StatusPage]


@pytest.fixture
def pages() -> Iterator[Pages]:
    descriptor = StatusPage.create("test")
    yield StatusPage(descriptor), StatusPage(descriptor)
    os.close(descriptor)


def test_heartbeats_are_counted(pages: Pages) -> None:
    worker, front = pages

    for _ in range(3):
        worker.beat()

    assert front.beats == 3


@pytest.mark.parametrize("request_id", ["", "a", "ümläut", "x" * 247])
def test_the_last_request_is_known(pages: Pages, request_id: str) -> None:
    worker, front = pages
    worker.begin(1, "another one, which is longer")

    worker.begin(2, request_id)

    assert front.last_request == request_id[:247].encode()[:247].decode("utf-8", "replace")


def test_a_long_id_is_cut(pages: Pages) -> None:
    worker, front = pages

    worker.begin(1, "x" * 1000)

    assert front.last_request == "x" * 247


def test_what_has_begun_is_known_until_its_number_comes_again(pages: Pages) -> None:
    worker, front = pages
    number = 2**32 - 1
    front.open(number)
    assert not front.has_begun(number)

    worker.begin(number, "")
    assert front.has_begun(number)

    front.open(number)
    assert not front.has_begun(number)
