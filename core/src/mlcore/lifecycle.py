"""The life of the models: load, load again, unload; one at a time for each name."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from mlcore.errors import MLCoreError, ModelLoadError, ModelNotFoundError, SettingsError, UnavailableError
from mlcore.loading import make_plan
from mlcore.logs import get_logger
from mlcore.methods import is_cancelled
from mlcore.reasons import reason_of
from mlcore.registry import LOADING, READY, UNAVAILABLE, UNLOADING, Key, ModelState, called
from mlcore.telemetry.instruments import MODEL_LOAD_DURATION
from mlcore.turns import Turns

if TYPE_CHECKING:
    from mlcore.engine import Engine
    from mlcore.plugins import Plugins
    from mlcore.registry import ModelRegistry
    from mlcore.repository import FolderRepository
    from mlcore.served import Served
    from mlcore.settings import ModelSettings

log = get_logger("mlcore.models")

Found = dict[Key, tuple["ModelSettings | None", str]]
"""The models that there are: their settings, or what is wrong with them."""


class Lifecycle:
    """Loads models into a registry and unloads them.

    Args:
        plugins: What is installed.
        registry: The models that requests can reach.
        engine: Where models live.
        repository: Where models are found; `None` if they are all given in Python.
        given: The models given in Python.
        patience_s: How long a load or an unload waits for the requests on the model that goes; it goes all the same.

    Raises:
        SettingsError: A model given in Python has no name, or that of another one.
    """

    def __init__(
        self,
        plugins: Plugins,
        registry: ModelRegistry,
        engine: Engine,
        repository: FolderRepository | None,
        given: list[ModelSettings],
        patience_s: float,
    ) -> None:
        self._plugins = plugins
        self._registry = registry
        self._engine = engine
        self._repository = repository
        self._given: dict[Key, ModelSettings] = {}
        for index, model in enumerate(given):
            key = (model.name, model.parameters.version)
            if not model.name:
                raise SettingsError(f"models[{index}]: name: missing; a model that is given in Python needs one")
            if key in self._given:
                raise SettingsError(f"models[{index}]: {called(key)} is there already; rename one of them")
            self._given[key] = model
        self._patience_s = patience_s
        self._turns = Turns()
        self._endings: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def found(self) -> Found:
        """Return the models that there are now. Reads the disk, and may be called in any thread.

        Raises:
            SettingsError: The repository's folder cannot be read.
        """
        found: Found = {key: (settings, "") for key, settings in self._given.items()}
        for entry in self._repository.entries() if self._repository is not None else ():
            key = (entry.name, entry.version)
            if key in self._given:
                found[key] = (
                    None,
                    f"{called(key)} is given in Python, and is in the repository too; rename one of them",
                )
            else:
                found[key] = (entry.settings, entry.problem)
        return found

    async def load_all(self) -> None:
        """Load every model that there is. One that fails does not stop the others.

        Raises:
            SettingsError: The repository's folder cannot be read.
        """
        found = await asyncio.to_thread(self.found)
        for key in found:
            self._registry.states[key] = ModelState(LOADING)
        await asyncio.gather(*(self._load_quietly(key, model, problem) for key, (model, problem) in found.items()))

    async def load(self, name: str) -> None:
        """Load, or load again, every version of a model that there is, and unload those that there are no more.

        Requests go to the old one until the new one is ready. Whoever asks while the same files are being loaded
        gets the outcome of that load.

        Raises:
            ModelNotFoundError: There is no such model.
            ModelLoadError: It cannot be loaded; what was loaded before goes on.
            UnavailableError: The server is stopping.
        """
        if self._is_closed:
            raise _stopping()
        try:
            await self._turns.share(name, lambda: self._stamp(name), lambda: self._load_name(name))
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise _stopping() from None

    async def unload(self, name: str) -> None:
        """Unload every version of a model, after the requests that are under way.

        Raises:
            ModelNotFoundError: No such model is loaded.
        """
        async with self._turns.of(name):
            keys = [key for key, state in self._registry.states.items() if key[0] == name and state.is_wanted]
            if not keys:
                raise ModelNotFoundError(name)
            await asyncio.gather(*(self._unload(key) for key in keys))

    async def close(self, timeout_s: float | None) -> None:
        """Stop loads that are under way, unload every model, and allow no more loads.

        Args:
            timeout_s: How long it may take, if not for ever; a model that works for longer is left behind.
        """
        self._is_closed = True
        await self._turns.cancel()
        for key in list(self._registry.served()):
            self._begin_unload(key)
        if self._endings:
            _, late = await asyncio.wait(self._endings, timeout=timeout_s)
            for task in late:
                log.warning("a model is left behind, for it still works on a request", what=task.get_name())
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _stamp(self, name: str) -> object:
        """Return what the files of a model are now: another stamp, other files. Empty where that is not known."""
        return self._repository.stamp(name) if self._repository is not None else "given in Python"

    async def _load_name(self, name: str) -> None:
        found = await asyncio.to_thread(self.found)
        self._drop_states(found)
        failures: list[MLCoreError] = []
        for key in [key for key in found if key[0] == name]:
            try:
                await self._load(key, *found[key])
            except MLCoreError as error:
                failures.append(error)
        gone = (key for key in self._registry.served() if key[0] == name and key not in found)
        await asyncio.gather(*map(self._unload, gone))
        self._drop_states(found)
        if not any(key[0] == name for key in found):
            raise ModelNotFoundError(name)
        if failures:
            raise failures[0] if len(failures) == 1 else ModelLoadError("; ".join(map(str, failures)))

    async def _load_quietly(self, key: Key, settings: ModelSettings | None, problem: str) -> None:
        with suppress(MLCoreError):  # the log and the model's state say why
            async with self._turns.of(key[0]):
                await self._load(key, settings, problem)

    async def _load(self, key: Key, settings: ModelSettings | None, problem: str) -> None:
        is_served = key in self._registry.served()
        if not is_served:
            self._registry.states[key] = ModelState(LOADING)
        began = time.monotonic()
        try:
            if settings is None:
                raise ModelLoadError(problem)
            plan = make_plan(settings, self._plugins, self._repository.root if self._repository else None)
            model = await self._engine.load(plan)
        except BaseException as error:
            self._measure_load(key, began, "failed")
            reason = reason_of(error) if isinstance(error, Exception) else "its load was cancelled"
            if is_served:
                self._registry.states[key] = ModelState(READY, f"the last load failed: {reason}")
            else:
                self._registry.states[key] = ModelState(UNAVAILABLE, reason)
            if not isinstance(error, Exception):
                raise
            log.error("model not loaded", **_named(key), reason=str(error))
            log.debug("why the model was not loaded", **_named(key), exc_info=error)
            raise ModelLoadError(reason) from error
        self._measure_load(key, began, "ok")
        replaced = self._registry.publish(model)
        self._plugins.model_loaded(model.settings, model.metadata)
        log.info("model ready", **_named(key))
        if replaced is not None:
            await self._wait_for(self._ending(key, replaced))

    async def _unload(self, key: Key) -> None:
        await self._wait_for(self._begin_unload(key))

    def _begin_unload(self, key: Key) -> asyncio.Task[None]:
        state = self._registry.states[key] = ModelState(UNLOADING, is_wanted=False)
        return self._ending(key, self._registry.withdraw(key), state)

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
                log.exception("model did not unload well", **_named(key))
            if state is not None:
                self._plugins.model_unloaded(served.model.settings)
                log.info("model unloaded", **_named(key))
        if state is not None and self._registry.states.get(key) is state:
            self._registry.states[key] = ModelState(UNAVAILABLE, is_wanted=False)
            self._registry.tallies.forget(key[0], key[1] or "")

    def _measure_load(self, key: Key, began: float, outcome: str) -> None:
        load = self._registry.tallies.histogram(MODEL_LOAD_DURATION, key[0], key[1] or "", outcome)
        load.record(time.monotonic() - began)

    async def _wait_for(self, ending: asyncio.Task[None]) -> None:
        if not (await asyncio.wait({ending}, timeout=self._patience_s))[0]:
            log.warning("the old model still works on requests; it is unloaded after them", what=ending.get_name())

    def _drop_states(self, found: Found) -> None:
        """Forget the models that are neither found nor served any more."""
        for key, state in list(self._registry.states.items()):
            if key not in found and key not in self._registry.served() and state.state == UNAVAILABLE:
                del self._registry.states[key]


def _stopping() -> UnavailableError:
    return UnavailableError("the server is stopping, so it loads no model", retry_after_s=1)


def _named(key: Key) -> dict[str, str]:
    return {"model": key[0]} if key[1] is None else {"model": key[0], "version": key[1]}
