"""The control plane: everything a client may ask that is not inference, and the life of the models."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING

from mlcore_protocol import ModelMetadata, RepositoryIndexItem, ServerMetadata

from mlcore.errors import (
    MLCoreError,
    ModelLoadError,
    ModelNotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from mlcore.loading import make_plan
from mlcore.logs import get_logger
from mlcore.registry import LOADING, READY, UNAVAILABLE, UNLOADING, Key, ModelState

if TYPE_CHECKING:
    from mlcore.engine import Engine
    from mlcore.plugins import Plugins
    from mlcore.registry import ModelRegistry, Served
    from mlcore.repository import FolderRepository
    from mlcore.settings import ModelSettings, Settings

log = get_logger("mlcore.control")


class ControlPlane:
    """What transports ask and tell about the server and its models.

    Args:
        settings: The server's settings.
        plugins: What is installed.
        registry: The models that requests can reach.
        engine: Where models live.
        repository: Where models are found; `None` if they are all given in Python.
        given: The models given in Python.
    """

    def __init__(
        self,
        settings: Settings,
        plugins: Plugins,
        registry: ModelRegistry,
        engine: Engine,
        repository: FolderRepository | None,
        given: list[ModelSettings],
    ) -> None:
        self.settings = settings
        self.plugins = plugins
        self._registry = registry
        self._engine = engine
        self._repository = repository
        self._given = {(model.name, model.parameters.version): model for model in given}
        self._lives: dict[str, asyncio.Lock] = {}
        self._is_accepting = False
        self.served_extensions: list[str] = []

    # --- health and metadata ---

    @property
    def is_live(self) -> bool:
        """Whether the server runs at all."""
        return True

    @property
    def is_ready(self) -> bool:
        """Whether every model that was asked for is ready, and the server is not stopping."""
        return self._is_accepting and self._registry.is_ready

    def set_accepting(self, is_accepting: bool) -> None:
        """Say whether the server wants new clients: after the start, until the stop."""
        self._is_accepting = is_accepting

    def model_is_ready(self, name: str, version: str | None = None) -> bool:
        """Say whether a model answers requests.

        Raises:
            ModelNotFoundError: There is no such model.
        """
        try:
            self._registry.find(name, version)
        except UnavailableError:
            return False
        return True

    def server_metadata(self) -> ServerMetadata:
        """Return what the server says of itself."""
        given = self.settings.extensions
        return ServerMetadata(
            name=self.settings.server_name,
            version=self.settings.server_version or mlcore_version(),
            extensions=list(self.served_extensions if given is None else given),
        )

    def model_metadata(self, name: str, version: str | None = None) -> ModelMetadata:
        """Return what a model says of itself.

        Raises:
            ModelNotFoundError: There is no such model.
            UnavailableError: It is not ready.
        """
        return self._registry.find(name, version).model.metadata

    def models(self) -> list[str]:
        """Return the names of the models that requests can reach."""
        return sorted({name for name, _ in self._registry.served()})

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model that requests can reach."""
        return sorted(version for known, version in self._registry.served() if known == name and version is not None)

    def index(self, only_ready: bool = False) -> list[RepositoryIndexItem]:
        """Return every model of the repository, with its state and the reason for it."""
        keys = set(self._registry.states) | set(self._found())
        items = [self._registry.index_item(key) for key in sorted(keys, key=lambda key: (key[0], key[1] or ""))]
        return [item for item in items if item.state == READY or not only_ready]

    # --- the life of the models ---

    async def load_all(self) -> None:
        """Load every model of the repository. One that fails does not stop the others."""
        found = self._found()
        for key in found:
            self._registry.states[key] = ModelState(LOADING)
        await asyncio.gather(*(self._load_quietly(key, model, problem) for key, (model, problem) in found.items()))

    async def load(self, name: str) -> None:
        """Load, or load again, every version of a model that the repository has, and unload the others.

        Requests go to the old one until the new one is ready.

        Raises:
            ModelNotFoundError: The repository has no such model.
            ModelLoadError: It cannot be loaded; what was loaded before goes on.
        """
        async with self._life_of(name):
            found = {key: entry for key, entry in self._found().items() if key[0] == name}
            if not found:
                raise ModelNotFoundError(name)
            for key, (model, problem) in found.items():
                await self._load(key, model, problem)
            for key in [key for key in self._registry.served() if key[0] == name and key not in found]:
                await self._unload(key)

    async def unload(self, name: str) -> None:
        """Unload every version of a model, after the requests that are under way.

        Raises:
            ModelNotFoundError: No such model is loaded.
        """
        async with self._life_of(name):
            keys = [key for key, state in self._registry.states.items() if key[0] == name and state.is_wanted]
            if not keys:
                raise ModelNotFoundError(name)
            for key in keys:
                await self._unload(key)

    async def unload_all(self) -> None:
        """Unload every model, after the requests that are under way."""
        await asyncio.gather(*(self._unload(key) for key in list(self._registry.served())))

    def check_repository_api(self) -> None:
        """Refuse if clients may not load and unload models here.

        Raises:
            PermissionDeniedError: They may not.
        """
        allowed = self.settings.repository_api
        if allowed is None:
            allowed = self.settings.host in ("127.0.0.1", "::1", "localhost") or self.settings.host.startswith("127.")
        if not allowed:
            raise PermissionDeniedError(
                "loading and unloading of models is closed, because the server listens beyond this machine; "
                "the setting repository_api opens it"
            )

    def failures(self) -> dict[Key, str]:
        """Return the models that were asked for and are not ready, with the reason."""
        states = self._registry.states.items()
        return {key: state.reason for key, state in states if state.is_wanted and state.state != READY}

    def _life_of(self, name: str) -> asyncio.Lock:
        return self._lives.setdefault(name, asyncio.Lock())

    def _found(self) -> dict[Key, tuple[ModelSettings | None, str]]:
        found: dict[Key, tuple[ModelSettings | None, str]] = {
            key: (settings, "") for key, settings in self._given.items()
        }
        if self._repository is not None:
            for entry in self._repository.entries():
                found[entry.name, entry.version] = (entry.settings, entry.problem)
        return found

    async def _load_quietly(self, key: Key, settings: ModelSettings | None, problem: str) -> None:
        try:
            async with self._life_of(key[0]):
                await self._load(key, settings, problem)
        except MLCoreError as error:
            log.error("model not loaded", **_named(key), reason=str(error))
            log.debug("why the model was not loaded", **_named(key), exc_info=error)

    async def _load(self, key: Key, settings: ModelSettings | None, problem: str) -> None:
        before = self._registry.states.get(key)
        was_ready = before is not None and before.state == READY and key in self._registry.served()
        if not was_ready:
            self._registry.states[key] = ModelState(LOADING)
        try:
            if settings is None:
                raise ModelLoadError(problem)
            plan = make_plan(settings, self.plugins, self._repository.root if self._repository else None)
            model = await self._engine.load(plan)
        except Exception as error:  # whatever fails, the model's state has to say so
            reason = str(error) if isinstance(error, MLCoreError) else f"{type(error).__name__}: {error}"
            if was_ready:
                self._registry.states[key] = ModelState(READY, f"the last load failed: {reason}")
            else:
                self._registry.states[key] = ModelState(UNAVAILABLE, reason)
            if isinstance(error, MLCoreError):
                raise
            raise ModelLoadError(reason) from error
        replaced = self._registry.publish(model)
        self.plugins.model_loaded(model.settings, model.metadata)
        log.info("model ready", **_named(key))
        if replaced is not None:
            await self._let_go(replaced)

    async def _unload(self, key: Key) -> None:
        self._registry.states[key] = ModelState(UNLOADING, is_wanted=False)
        served = self._registry.withdraw(key)
        if served is not None:
            await self._let_go(served)
            self.plugins.model_unloaded(served.model.settings)
            log.info("model unloaded", **_named(key))
        self._registry.states[key] = ModelState(UNAVAILABLE, is_wanted=False)

    async def _let_go(self, served: Served) -> None:
        await served.idle()
        await served.model.unload()


def _named(key: Key) -> dict[str, str]:
    return {"model": key[0]} if key[1] is None else {"model": key[0], "version": key[1]}


def mlcore_version() -> str:
    """Return the installed version of the core."""
    return version("mlcore-core")
