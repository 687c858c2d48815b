"""The control plane: everything a client may ask that is not inference."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING

from mlcore_protocol import ModelMetadata, RepositoryIndexItem, ServerMetadata

from mlcore.errors import InferenceError, PermissionDeniedError, SettingsError, UnavailableError
from mlcore.lifecycle import Lifecycle
from mlcore.listening import is_loopback
from mlcore.reasons import one_line
from mlcore.registry import READY, UNAVAILABLE, Key, ModelState, in_order
from mlcore.repository.inventory import Inventory
from mlcore.settings import check_segment

if TYPE_CHECKING:
    from mlcore.access.guard import Guard
    from mlcore.engine import Engine, Handlers
    from mlcore.plugins import Plugins
    from mlcore.registry import ModelRegistry
    from mlcore.repository import ModelRepository
    from mlcore.repository.inventory import Found
    from mlcore.settings import ModelSettings, Settings
    from mlcore.tls import ServerTls


class ControlPlane:
    """What transports ask and tell about the server and its models.

    Args:
        settings: The server's settings.
        plugins: What is installed.
        registry: The models that requests can reach.
        engine: Where models live.
        repository: Where models are found; `None` if they are all given in Python.
        given: The models given in Python.
        tls: What connections are encrypted with.
        guard: Who is let in; `None` for everybody.

    Raises:
        SettingsError: A model given in Python has no name, or that of another one.
    """

    def __init__(
        self,
        settings: Settings,
        plugins: Plugins,
        registry: ModelRegistry,
        engine: Engine,
        repository: ModelRepository | None,
        given: list[ModelSettings],
        tls: ServerTls,
        guard: Guard | None = None,
    ) -> None:
        self.settings = settings
        self.plugins = plugins
        self.tls = tls
        self.guard = guard
        self._registry = registry
        self.inventory = Inventory(repository, given)
        self.lifecycle = Lifecycle(plugins, registry, engine, self.inventory, settings.grace_period)
        self._accepting = asyncio.Event()
        self.served_extensions: list[str] = []

    # --- health and metadata ---

    @property
    def is_live(self) -> bool:
        """Whether the server runs at all."""
        return True

    @property
    def is_ready(self) -> bool:
        """Whether every model that was asked for is ready, and the server is not stopping."""
        return self.is_accepting and self._registry.is_ready

    @property
    def is_accepting(self) -> bool:
        """Whether the server wants new clients: after the start, until the stop."""
        return self._accepting.is_set()

    def set_accepting(self, is_accepting: bool) -> None:
        """Say whether the server wants new clients: after the start, until the stop."""
        if is_accepting:
            self._accepting.set()
        else:
            self._accepting.clear()

    async def until_accepting(self) -> None:
        """Wait until the server wants new clients: for transports that fetch their requests themselves."""
        await self._accepting.wait()

    def model_is_ready(self, name: str, version: str | None = None) -> bool:
        """Say whether a model answers requests.

        Raises:
            ModelNotFoundError: There is no such model.
        """
        try:
            return not self._registry.find(name, version).model.problem()
        except UnavailableError:
            return False

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

    @property
    def handlers(self) -> dict[Key, Handlers]:
        """The custom handlers that requests can reach, by name and version of their model; without one, the default.

        A new object at each change.
        """
        return self._registry.handlers

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model that requests can reach, the highest last."""
        served = self._registry.served()
        return sorted((known[1] for known in served if known[0] == name and known[1] is not None), key=in_order)

    def index(self, only_ready: bool = False) -> list[RepositoryIndexItem]:
        """Return every model of the repository, with its state and the reason for it.

        Reads the disk, and may be called in any thread.
        """
        states = {key: self._registry.state(key) or state for key, state in dict(self._registry.states).items()}
        try:
            found = self.inventory.found()
        except SettingsError:
            found = {}  # what is served is served all the same
        keys = {key for key, state in states.items() if state.is_wanted or state.state != UNAVAILABLE} | found.keys()
        in_turn = sorted(keys, key=lambda key: (key[0], in_order(key[1] or "")))
        items = [_index_item(key, states.get(key), found) for key in in_turn]
        return [item for item in items if item.state == READY or not only_ready]

    def failures(self) -> dict[Key, str]:
        """Return the models that were asked for and are not ready, with the reason."""
        return self._registry.failures()

    # --- the life of the models ---

    async def load_all(self) -> None:
        """Load every model of the repository. One that fails does not stop the others."""
        await self.lifecycle.load_all()

    async def load(self, name: str, version: str | None = None) -> None:
        """Load a model of the repository, or load it again, and unload the versions of it that are gone.

        Requests go to the old one until the new one is ready. Whoever asks while the same files are being loaded
        gets the outcome of that load.

        Args:
            name: Its name.
            version: The only version that is meant; every one if `None`.

        Raises:
            InferenceError: No model can have this name or version.
            ModelNotFoundError: The repository has no such model.
            ModelLoadError: It cannot be loaded; what was loaded before goes on.
            UnavailableError: The server is stopping.
        """
        _check_names(name, version)
        await self.lifecycle.load(name, version)

    async def unload(self, name: str, version: str | None = None) -> None:
        """Unload a model, after the requests that are under way.

        Args:
            name: Its name.
            version: The only version that is meant; every one if `None`.

        Raises:
            InferenceError: No model can have this name or version.
            ModelNotFoundError: No such model is loaded.
        """
        _check_names(name, version)
        await self.lifecycle.unload(name, version)

    async def unload_all(self, timeout_s: float | None = None) -> None:
        """Unload every model, after the requests that are under way, and load none any more.

        Args:
            timeout_s: How long it may take; a model that holds its thread for longer is left alone.
        """
        await self.lifecycle.close(timeout_s)

    def check_repository_api(self) -> None:
        """Refuse if clients may not load and unload models here. With a guard, it says who may.

        Raises:
            PermissionDeniedError: They may not.
        """
        allowed = self.settings.repository_api
        if not (self.guard is not None or is_loopback(self.settings.host) if allowed is None else allowed):
            why = "because the server listens beyond this machine" if allowed is None else "by the server's settings"
            raise PermissionDeniedError(
                f"loading and unloading of models is closed, {why}; the setting repository_api opens it"
            )


def _check_names(name: str, version: str | None) -> None:
    for what, text in {"name": name, "version": "1" if version is None else version}.items():
        try:
            check_segment(text)
        except ValueError as error:
            shown = text if len(text) <= 64 else f"{text[:64]}..."
            raise InferenceError(f"{what}: {error}, got {shown!r}") from None


def _index_item(key: Key, state: ModelState | None, found: Found) -> RepositoryIndexItem:
    if state is None:
        state = ModelState(UNAVAILABLE, one_line(found[key].problem))
    return RepositoryIndexItem(name=key[0], version=key[1], state=state.state, reason=state.reason)


def mlcore_version() -> str:
    """Return the installed version of the core."""
    return version("mlcore-core")
