"""Work that may block for as long as somebody else likes: reading from a terminal, a hook of a plugin."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


def in_daemon_thread(work: Callable[[], Result], name: str) -> asyncio.Future[Result]:
    """Do `work` in a thread that does not hold up the end of the program, as those of `asyncio.to_thread` do.

    Args:
        work: What is to be done.
        name: What the thread is called.

    Returns:
        What it will return or raise. If the future is cancelled, the thread is left to itself.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def tell(result: Result | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # without an error there is a result

    def do() -> None:
        try:
            outcome: tuple[Result | None, BaseException | None] = (work(), None)
        except BaseException as error:
            outcome = (None, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, *outcome)

    threading.Thread(target=do, daemon=True, name=name).start()
    return future
