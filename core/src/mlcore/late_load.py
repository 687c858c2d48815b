"""A `load` that is given up: what runs in a thread cannot be stopped, so its model is let go once it has ended."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mlcore.logs import get_logger
from mlcore.methods import call_method, in_context

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from mlcore.model import MLModel

log = get_logger("mlcore.host")


async def load(model: MLModel, threads: Executor, late: set[asyncio.Task[Any]]) -> Any:
    """Call a model's load, and return what it returns.

    Args:
        model: The model.
        threads: Where a plain load runs.
        late: Gets the task that lets the model go, if this is cancelled while a thread works.
    """
    if inspect.iscoroutinefunction(model.load):
        return await model.load()
    work = threads.submit(in_context(model.load))
    try:
        result = await asyncio.wrap_future(work)
    except asyncio.CancelledError:
        if not work.cancel():
            task = asyncio.ensure_future(_let_go(model, work))
            late.add(task)
            task.add_done_callback(late.discard)
        raise
    return await result if inspect.isawaitable(result) else result


async def _let_go(model: MLModel, work: Future[Any]) -> None:
    """Unload a model when its load has ended after all, unless it failed."""
    ended = asyncio.wrap_future(work)
    try:
        await asyncio.wait({ended})
    finally:
        ended.cancel()
    if work.exception() is not None or work.result() is False:
        return
    if inspect.iscoroutine(work.result()):  # a plain method that hands an async one's result through: it never began
        work.result().close()
        return
    log.warning("a model that was given up has loaded after all, and is unloaded", model=model.name)
    thread = ThreadPoolExecutor(1, thread_name_prefix=f"mlcore-{model.name}")
    try:
        await call_method(model.unload, thread)
    except (Exception, SystemExit):  # a user's unload may raise anything
        log.exception("unload() failed", model=model.name)
    finally:
        thread.shutdown(wait=False)
