"""How the methods of a model are called: plain ones in the model's threads, async ones on the loop."""

from __future__ import annotations

import asyncio
import inspect
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor


async def in_thread(threads: Executor, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a plain function in one of the threads, with this context's variables."""
    return await asyncio.get_running_loop().run_in_executor(threads, in_context(function, *arguments))


def in_context(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """Return the call of a plain function with this context's variables, for a thread."""
    context = copy_context()

    def call() -> Any:
        try:
            return context.run(function, *arguments)
        except StopIteration as error:  # a future cannot carry it: whoever waits would wait for ever
            raise RuntimeError("StopIteration was raised") from error

    return call


async def call_method(method: Callable[..., Any], threads: Executor, *arguments: Any) -> Any:
    """Call a method that may be plain or async; a plain one in the threads."""
    if inspect.iscoroutinefunction(method):
        return await method(*arguments)
    result = await in_thread(threads, method, *arguments)
    return await result if inspect.isawaitable(result) else result


def is_cancelled() -> bool:
    """Say whether this task is to be cancelled, rather than something that it waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
