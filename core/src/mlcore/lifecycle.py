"""The life of the models: load, load again, unload; one at a time for each name."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from mlcore.errors import MLCoreError, ModelLoadError, ModelNotFoundError, UnavailableError
from mlcore.loading import make_plan
from mlcore.logs import get_logger
from mlcore.methods import is_cancelled
from mlcore.reasons import reason_of
from mlcore.registry import LOADING, READY, UNAVAILABLE, UNLOADING, Key, ModelState, called, named
from mlcore.telemetry.instruments import MODEL_LOAD_DURATION
from mlcore.trust import trust_of
from mlcore.turns import Turns
from mlcore.without_effect import of_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcore.engine import Engine
    from mlcore.plugins import Plugins
    from mlcore.registry import ModelRegistry
    from mlcore.repository import RepositoryEntry
    from mlcore.repository.inventory import Found, Inventory
    from mlcore.served import Served

    # Says whether a version of a model is one of those that a load or unload means.
    Meant = Callable[[Key], bool]

log = get_logger("mlcore.models")


class Lifecycle:
    """Loads models into a registry and unloads them.

    Args:
        plugins: What is installed.
        registry: The models that requests can reach.
        engine: Where models live.
        inventory: The models that there are.
        patience_s: How long a load or an unload waits for the requests on the model that goes; it goes all the same.
    """

    def __init__(
        self,
        plugins: Plugins,
        registry: ModelRegistry,
        engine: Engine,
        inventory: Inventory,
        patience_s: float,
    ) -> None:
        self._plugins = plugins
        self.registry = registry
        self._engine = engine
        self._inventory = inventory
        self._patience_s = patience_s
        self._began_ns = time.time_ns()
        self._at_start: dict[Key, tuple[object, ...]] = {}
        self._turns = Turns()
        self._endings: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def load_all(self) -> None:
        """Load every model that there is. One that fails does not stop the others.

        Raises:
            SettingsError: The repository's folder cannot be read.
        """
        found = await asyncio.to_thread(self._inventory.found)
        self._note(found)
        for key in found:
            self.registry.states[key] = ModelState(LOADING)
        await asyncio.gather(*(self._load_quietly(entry) for entry in found.values()))

    async def look(self) -> None:
        """Take what there is now for known, where nothing is loaded at the start."""
        with suppress(MLCoreError):  # then nothing is known, and the first load says why
            self._note(await asyncio.to_thread(self._inventory.found))

    async def load(self, name: str, version: str | None = None) -> None:
        """Load a model, or load it again, and unload the versions of it that there are no more.

        Requests go to the old one until the new one is ready. Whoever asks while the same files are being loaded
        gets the outcome of that load.

        Args:
            name: Its name.
            version: The only version that is meant; every one if `None`.

        Raises:
            ModelNotFoundError: There is no such model.
            ModelLoadError: It cannot be loaded; what was loaded before goes on.
            UnavailableError: The server is stopping.
        """
        await self._share((name, version), _every(name) if version is None else _only((name, version)))

    async def load_changed(self, key: Key) -> None:
        """Load one model for nobody asked, but its files have changed. The errors are those of `load`.

        One that never was asked for, and fails, does not make the server not ready.
        """
        await self._share(key, _only(key), is_asked_for=False)

    async def unload(self, name: str, version: str | None = None) -> None:
        """Unload a model, after the requests that are under way.

        Args:
            name: Its name.
            version: The only version that is meant; every one if `None`.

        Raises:
            ModelNotFoundError: No such model is loaded.
        """
        await self._unload_those((name, version), _every(name) if version is None else _only((name, version)))

    async def unload_gone(self, key: Key) -> None:
        """Unload one model that there is no more. The errors are those of `unload`."""
        await self._unload_those(key, _only(key))

    async def close(self, timeout_s: float | None) -> None:
        """Stop loads that are under way, unload every model, and allow no more loads.

        Args:
            timeout_s: How long it may take, if not for ever; a model that works for longer is left behind.
        """
        self._is_closed = True
        await self._turns.cancel()
        for key in list(self.registry.served()):
            self._begin_unload(key)
        if self._endings:
            _, late = await asyncio.wait(self._endings, timeout=timeout_s)
            for task in late:
                log.warning("a model is left behind, for it still works on a request", what=task.get_name())
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _share(self, asked: Key, is_meant: Meant, is_asked_for: bool = True) -> None:
        if self._is_closed:
            raise _stopping()

        def stamp() -> object:
            return [stamp for key, stamp in self._inventory.stamps(asked[0]).items() if is_meant(key)]

        try:
            # Of two loads that mean the same version, one for nobody asked may have begun: its failure is no answer.
            part = asked[1], is_asked_for
            await self._turns.share(asked[0], part, stamp, lambda: self._load_those(asked, is_meant, is_asked_for))
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise _stopping() from None

    async def _load_those(self, asked: Key, is_meant: Meant, is_asked_for: bool) -> None:
        found = await asyncio.to_thread(self._inventory.found, asked[0])
        self._drop_states(found)
        failures: list[MLCoreError] = []
        for entry in [entry for key, entry in found.items() if is_meant(key)]:
            try:
                await self._load(entry, is_asked_for, self._since_ns(entry) if is_asked_for else None)
            except MLCoreError as error:
                failures.append(error)
        gone = (key for key in self.registry.served() if is_meant(key) and key not in found)
        await asyncio.gather(*map(self._unload, gone))
        self._drop_states(found)
        if not any(map(is_meant, found)):
            raise ModelNotFoundError(*asked)
        if failures:
            raise failures[0] if len(failures) == 1 else ModelLoadError("; ".join(map(str, failures)))

    async def _unload_those(self, asked: Key, is_meant: Meant) -> None:
        async with self._turns.of(asked[0]):
            keys = [key for key, state in self.registry.states.items() if is_meant(key) and state.is_wanted]
            if not keys:
                raise ModelNotFoundError(*asked)
            await asyncio.gather(*(self._unload(key) for key in keys))

    async def _load_quietly(self, entry: RepositoryEntry) -> None:
        with suppress(MLCoreError):  # the log and the model's state say why
            async with self._turns.of(entry.name):
                await self._load(entry)

    def _note(self, found: Found) -> None:
        self._at_start = {key: _places(entry) for key, entry in found.items()}

    def _since_ns(self, entry: RepositoryEntry) -> int | None:
        """Return since when files count as brought by the clients that ask for a load: the start, or ever.

        With the setting `watch` none do: what comes into the folder is taken without anybody asking.
        """
        if self._engine.settings.watch:
            return None
        is_known = self._at_start.get((entry.name, entry.version)) == _places(entry)
        return self._began_ns if is_known else 0

    async def _load(self, entry: RepositoryEntry, is_asked_for: bool = True, since_ns: int | None = None) -> None:
        key = (entry.name, entry.version)
        is_served = key in self.registry.served()
        before = self.registry.states.get(key)
        is_required = is_asked_for or (before is not None and before.is_wanted and before.is_required)
        if not is_served:
            self.registry.states[key] = ModelState(LOADING, is_required=is_required)
        began = time.monotonic()
        try:
            if entry.settings is None:
                raise ModelLoadError(entry.problem)
            settings = entry.settings.trusting(trust_of(self._engine.settings, self._inventory.root, since_ns))
            plan = make_plan(settings, self._plugins, self._inventory.root)
            model = await self._engine.load(plan)
            try:
                self.registry.check(model)
            except ModelLoadError:
                await model.unload()
                raise
        except BaseException as error:
            self._measure_load(key, began, "failed")
            reason = reason_of(error) if isinstance(error, Exception) else "its load was cancelled"
            if is_served:
                self.registry.states[key] = ModelState(READY, f"the last load failed: {reason}")
            else:
                self.registry.states[key] = ModelState(UNAVAILABLE, reason, is_required=is_required)
            if not isinstance(error, Exception):
                raise
            log.error("model not loaded", **named(key), reason=str(error))
            log.debug("why the model was not loaded", **named(key), exc_info=error)
            raise ModelLoadError(reason) from error
        self._measure_load(key, began, "ok")
        replaced = self.registry.publish(model)
        self._plugins.model_loaded(model.settings, model.metadata)
        for remark in [*of_model(model.settings, self._engine.settings, self._engine.has_workers), *model.remarks]:
            log.warning(remark, **named(key))
        log.info("model ready", **named(key))
        if replaced is not None:
            await self._wait_for(self._ending(key, replaced))

    async def _unload(self, key: Key) -> None:
        await self._wait_for(self._begin_unload(key))

    def _begin_unload(self, key: Key) -> asyncio.Task[None]:
        state = self.registry.states[key] = ModelState(UNLOADING, is_wanted=False)
        return self._ending(key, self.registry.withdraw(key), state)

    def _ending(self, key: Key, served: Served | None, state: ModelState | None = None) -> asyncio.Task[None]:
        """Let a model go once no request is under way on it, however long that takes.

        Args:
            key: Its name and version.
            served: The model, which no new request reaches; `None` where it was never ready.
            state: Its state meanwhile; `None` where another model has taken its place.
        """
        task = asyncio.create_task(self._end(key, served, state), name=called(key))
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        return task

    async def _end(self, key: Key, served: Served | None, state: ModelState | None) -> None:
        if served is not None:
            await served.idle()
            try:
                await served.model.unload()
            except Exception:  # a plugin's engine may raise anything; the model is gone all the same
                log.exception("model did not unload well", **named(key))
            if state is not None:
                self._plugins.model_unloaded(served.model.settings)
                log.info("model unloaded", **named(key))
        if state is not None and self.registry.states.get(key) is state:
            self.registry.states[key] = ModelState(UNAVAILABLE, is_wanted=False)
            self.registry.tallies.forget(key[0], key[1] or "")

    def _measure_load(self, key: Key, began: float, outcome: str) -> None:
        load = self.registry.tallies.histogram(MODEL_LOAD_DURATION, key[0], key[1] or "", outcome)
        load.record(time.monotonic() - began)

    async def _wait_for(self, ending: asyncio.Task[None]) -> None:
        if not (await asyncio.wait({ending}, timeout=self._patience_s))[0]:
            log.warning("the old model still works on requests; it is unloaded after them", what=ending.get_name())

    def _drop_states(self, found: Found) -> None:
        """Forget the models that are neither found nor served any more."""
        for key, state in list(self.registry.states.items()):
            if key not in found and key not in self.registry.served() and state.state == UNAVAILABLE:
                del self.registry.states[key]


def _places(entry: RepositoryEntry) -> tuple[object, ...]:
    """Return where the files of a model are; their content may change."""
    return entry.folder, entry.settings.parameters.uri if entry.settings is not None else None


def _every(name: str) -> Meant:
    return lambda key: key[0] == name


def _only(meant: Key) -> Meant:
    return lambda key: key == meant


def _stopping() -> UnavailableError:
    return UnavailableError("the server is stopping, so it loads no model", retry_after_s=1)
