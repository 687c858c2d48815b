"""How the methods behind custom handlers are called, next to their model; and how their calls join those of a model."""

from __future__ import annotations

import asyncio
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from mlcore.handlers import HTTP_REQUEST, CustomHandler, marked_methods
from mlcore.logs import get_logger
from mlcore.methods import in_context

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from concurrent.futures import Executor, Future

    from mlcore.engine import Answer, Call
    from mlcore.handlers import HandlerApp
    from mlcore.model import MLModel
    from mlcore.plugins import Plugins

log = get_logger("mlcore.host")


class HandlerCalls:
    """Calls the methods of one model: async ones on the loop, plain ones in the model's threads.

    Args:
        model: The model.
        threads: Where its plain methods run.
    """

    def __init__(self, model: MLModel, threads: Executor) -> None:
        self._model = model
        self._threads = threads
        self._working: set[Future[Any]] = set()

    def app(self, plugins: Plugins) -> HandlerApp | None:
        """Return what answers the requests to the model's custom handlers; `None` if it has none. Slow.

        Raises:
            ModelLoadError: A handler is wrong.
            PluginError: A plugin failed while it was asked.
        """
        marked = marked_methods(self._model)
        if not marked:
            return None
        handlers = []
        for name, path, verb in marked:
            method = getattr(self._model, name)
            handlers.append(CustomHandler(name, method, path, verb, _by_name(method, self._in_thread)))
        app = plugins.handlers(self._model, handlers)
        if app is None:
            log.warning(
                "custom handlers are not served: no plugin here offers them; install transport-rest where the model "
                "lives",
                model=self._model.name,
            )
        return app

    async def over(self) -> None:
        """Wait until the threads work on no handler any more: whoever waited for an answer may have left."""
        working = [asyncio.wrap_future(work) for work in self._working]
        if working:
            await asyncio.wait(working)

    async def _in_thread(self, method: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        work = self._threads.submit(in_context(partial(method, **arguments)))
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        result = await asyncio.wrap_future(work)
        return await result if inspect.isawaitable(result) else result


def with_handlers(
    stream: Callable[[Call], AsyncGenerator[Answer, None]], app: HandlerApp
) -> Callable[[Call], AsyncGenerator[Answer, None]]:
    """Return a model's `stream` that answers the requests to its custom handlers, too."""

    def chosen(call: Call) -> AsyncGenerator[Answer, None]:
        return app.answer(call) if call.media_type == HTTP_REQUEST else stream(call)

    return chosen


def _by_name(
    method: Callable[..., Any], in_thread: Callable[[Callable[..., Any], dict[str, Any]], Awaitable[Any]]
) -> Callable[[dict[str, Any]], Awaitable[Any]]:
    if inspect.iscoroutinefunction(method):
        return lambda arguments: method(**arguments)
    return lambda arguments: in_thread(method, arguments)
