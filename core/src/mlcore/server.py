"""The server: the one object that owns everything, and the order in which it starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.access.exposure import exposure_of
from mlcore.access.guard import Guard
from mlcore.control import ControlPlane
from mlcore.daemon_thread import in_daemon_thread
from mlcore.dispatcher import Dispatcher
from mlcore.engine import make_engine
from mlcore.errors import FailedPreconditionError, ModelLoadError, SettingsError
from mlcore.event_loop import loop_factory
from mlcore.imports import made_of
from mlcore.logs import get_logger
from mlcore.plugins import Plugins
from mlcore.registry import ModelRegistry, called
from mlcore.repository import make_repository
from mlcore.repository.watch import Watch
from mlcore.settings_sources import read_settings
from mlcore.telemetry.tallies import SORT_S, Tallies
from mlcore.tls import ServerTls
from mlcore.transport import Transport, find_transports
from mlcore.without_effect import of_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from mlcore.settings import ModelSettings, Settings

log = get_logger("mlcore.server")

# What models get to unload when requests have used up the grace period.
_LEAST_UNLOAD_S = 5.0
# The same, and what their engine gets to end, when the stop is to be cut short.
_HURRIED_S = 0.5
# After so long, and again and again, the log says whose hook the start waits for.
_HOOK_IS_SLOW_S = 10.0
_HOOKS = "mlcore-hooks"


class Server:
    """A server of models, as an async context manager.

    Args:
        folder: A folder with models, and perhaps a `settings.json`.
        models: Models given in Python, besides those of the folder.
        settings: The server's settings; read from the folder, the environment and `options` if absent.
        plugins: Plugins given in Python, besides the installed ones.
        options: Single settings; they win over file and environment.

    Raises:
        SettingsError: A setting is wrong.
        PluginError: A plugin that the settings name, or that is given in Python, cannot be used.

    Example:
        async with Server(models=[ModelSettings(name="echo", implementation=Echo)], http_port=0) as server:
            print(server.url("rest"))
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        models: Iterable[ModelSettings] = (),
        settings: Settings | None = None,
        plugins: Iterable[object] = (),
        **options: Any,
    ) -> None:
        root = Path(folder).absolute() if folder is not None else None
        if root is not None and not root.is_dir():
            raise SettingsError(f"'{folder}' is not a folder; give one that holds a model-settings.json")
        if settings is None:
            settings = read_settings(root, options)
        elif options:
            raise SettingsError(f"{', '.join(options)}: give either settings or single options")
        given = list(models)
        if root is None and not given:
            root = Path(settings.model_repository_root)
        self.settings = settings
        self.plugins = Plugins(settings.plugins, plugins)
        self.tallies = Tallies()
        self._registry = ModelRegistry(settings.max_queue_size, self.tallies)
        self._engine = make_engine(settings, self.plugins, self.tallies)
        self.repository = make_repository(settings, root, self.plugins) if root is not None else None
        self.dispatcher = Dispatcher(self._registry, settings.request_timeout)
        self._tls = ServerTls(settings, self.tallies)
        guard = Guard.of(settings, self.plugins.authenticators(settings))
        self.control = ControlPlane(
            settings, self.plugins, self._registry, self._engine, self.repository, given, self._tls, guard
        )
        made: list[Transport] = [
            made_of(offer, "transport", settings, self.dispatcher, self.control, base=Transport)
            for offer in find_transports(settings, self.plugins)
        ]
        self.transports = [transport for transport in made if transport.is_wanted]
        self._watch = None
        if settings.watch and self.repository is not None:
            new = settings.load_models_at_startup
            self._watch = Watch(self.control.inventory, self.control.lifecycle, settings.watch_settle, new)
        self._is_started = False
        self._stopping: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()

    def url(self, transport: str) -> str:
        """Return the address of a transport, with its real port, after the start.

        Raises:
            LookupError: No such transport runs.
        """
        for candidate in self.transports:
            if candidate.name == transport:
                return candidate.url
        raise LookupError(f"no transport '{transport}' runs; there are {[known.name for known in self.transports]}")

    async def start(self) -> None:
        """Take the ports, begin to answer, then load the models.

        Raises:
            PortInUseError: A port is taken; nothing has started.
            ModelLoadError: With the setting `strict`, a model cannot be loaded; everything is stopped again.
            FailedPreconditionError: It was started before. A server starts once.
        """
        if self._is_started:
            raise FailedPreconditionError("this server was started before; make another one")
        try:
            for transport in self.transports:
                transport.bind()
        except BaseException:
            await self._stop_transports(0)
            raise
        self._is_started = True
        self._sorting = asyncio.create_task(self._sort_in(), name="mlcore-tallies")
        try:
            for record in self.plugins.broken:
                log.warning("plugin is broken", plugin=record.name, reason=record.error)
            for remark in of_server(self.settings, self._engine.has_workers):
                log.warning(remark)
            exposure = exposure_of(self.settings, [known.name for known in self.transports if known.listens])
            if exposure is not None:
                log.warning(exposure)
            self._tls.start()
            await self._tell_plugins_of_the_start()
            await self._engine.start()
            self.control.served_extensions = sorted({name for known in self.transports for name in known.extensions})
            # Health is asked while models load; but where another server has the clients, it keeps them until then.
            if not self.settings.reuse_port:
                await self._start_transports()
            if self._watch is not None:
                await self._watch.start()
            if self.settings.load_models_at_startup:
                await self.control.load_all()
            else:
                await self.control.lifecycle.look()
            failures = self.control.failures()
            if self.settings.strict and failures:
                raise ModelLoadError("\n".join(f"{called(key)}: {reason}" for key, reason in failures.items()))
            self.control.set_accepting(True)
            if self.settings.reuse_port:
                await self._start_transports()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop: no new clients, then let requests finish, then the models, then everything else.

        A second call waits for the first. What fails on the way is logged, and does not keep the rest from stopping.
        """
        if self._is_started and self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="mlcore-stop")
        if self._stopping is not None:
            await asyncio.shield(self._stopping)

    def hurry(self) -> None:
        """Cut the stop short: requests under way are given up, and their clients told; nothing is waited for."""
        self._hurried.set()

    async def _stop(self) -> None:
        had_clients = self.control.is_accepting
        self.control.set_accepting(False)
        if self._watch is not None:
            await self._watch.stop()
        hurried = asyncio.ensure_future(self._hurried.wait())
        if had_clients and self.settings.drain_delay:
            await asyncio.wait({hurried}, timeout=self.settings.drain_delay)
        began = time.monotonic()
        stopping = asyncio.ensure_future(self._stop_transports(self.settings.grace_period))
        await asyncio.wait({stopping, hurried}, return_when=asyncio.FIRST_COMPLETED)
        if self._hurried.is_set():
            await self._stop_transports(0)
        await stopping
        self.dispatcher.close()
        left_s = max(self.settings.grace_period - (time.monotonic() - began), _LEAST_UNLOAD_S)
        unloading = asyncio.ensure_future(self.control.unload_all(_HURRIED_S if hurried.done() else left_s))
        await asyncio.wait({unloading, hurried}, return_when=asyncio.FIRST_COMPLETED)
        if hurried.done():
            await asyncio.wait({unloading}, timeout=_HURRIED_S)
        else:
            hurried.cancel()
            await unloading
        try:
            await self._engine.stop(_HURRIED_S if self._hurried.is_set() else self.settings.parallel_workers_timeout)
        except Exception:  # a plugin's engine may raise anything
            log.exception("the engine did not stop well")
        if self.repository is not None:
            self.repository.close()
        self._sorting.cancel()
        self._tls.stop()
        telling = in_daemon_thread(partial(self.plugins.shutdown, self.settings), _HOOKS)
        await asyncio.wait({telling}, timeout=_HURRIED_S if self._hurried.is_set() else _LEAST_UNLOAD_S)
        if not telling.done():
            log.error("a plugin holds up the stop, and is not waited for", plugin=self.plugins.asked)
            telling.cancel()

    async def _tell_plugins_of_the_start(self) -> None:
        """Tell them in a thread: one that hangs must not keep the server from hearing a signal."""
        telling = in_daemon_thread(partial(self.plugins.startup, self.settings), _HOOKS)
        try:
            while not (await asyncio.wait({telling}, timeout=_HOOK_IS_SLOW_S))[0]:
                log.warning("a plugin holds up the start", plugin=self.plugins.asked)
        finally:
            telling.cancel()
        telling.result()

    async def _sort_in(self) -> None:
        while True:
            await asyncio.sleep(SORT_S)
            self.tallies.sort_in()

    async def _start_transports(self) -> None:
        for transport in self.transports:
            await transport.start()

    async def _stop_transports(self, grace_s: float) -> None:
        stopped = await asyncio.gather(
            *(transport.stop(grace_s) for transport in self.transports), return_exceptions=True
        )
        for transport, outcome in zip(self.transports, stopped, strict=True):
            if isinstance(outcome, Exception):
                log.error("a transport did not stop well", transport=transport.name, exc_info=outcome)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def run(self, on_start: Callable[[Server], None] | None = None) -> int:
        """Start, answer until SIGTERM, SIGINT or SIGHUP, stop; at once, if one of them comes again.

        Args:
            on_start: Called once the models are loaded.

        Returns:
            The exit code: 0, or 128 and the number of the signal that cut the stop short.
        """
        stopping = asyncio.Event()
        code = 0

        def stop(number: int) -> None:
            nonlocal code
            if stopping.is_set():
                code = 128 + number
                self.hurry()
            stopping.set()

        loop = asyncio.get_running_loop()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        if handlers[signal.SIGHUP] is signal.SIG_IGN:  # `nohup`: the terminal may go
            del handlers[signal.SIGHUP]
        for number in handlers:
            loop.add_signal_handler(number, stop, number)
        starting = asyncio.ensure_future(self.start())
        stopped = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await starting
                return code
            await starting
            if on_start is not None:
                on_start(self)
            await stopped
            log.info("stopping")
        finally:
            stopped.cancel()
            if not starting.done():  # whoever runs this gives it up
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
            await self.stop()
            for number, handler in handlers.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)
        return code


def serve(
    folder: str | Path | None = None,
    *,
    models: Iterable[ModelSettings] = (),
    settings: Settings | None = None,
    plugins: Iterable[object] = (),
    **options: Any,
) -> None:
    """Serve models until SIGTERM or Ctrl-C. The arguments are those of `Server`.

    Example:
        mlcore.serve("models/", http_port=9000)
    """
    server = Server(folder, models=models, settings=settings, plugins=plugins, **options)
    run_until_stopped(server)


def run_until_stopped(server: Server, on_start: Callable[[Server], None] | None = None) -> int:
    """Run a server on a new event loop, uvloop where it is installed, and return the exit code."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(server.run(on_start))
