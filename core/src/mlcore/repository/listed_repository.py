"""A model repository of MLServer's shape: an object whose `async list()` and `async find(name)` give settings."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mlcore.errors import NotFoundError, SettingsError
from mlcore.registry import called, in_order
from mlcore.repository import ModelRepository, RepositoryEntry
from mlcore.settings import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path


class ListedRepository(ModelRepository):
    """Asks such an object, on an event loop of its own: the server's may be waiting for the answer.

    Args:
        root: The folder that is served.
        listing: The object.
        what: How messages call it.
    """

    def __init__(self, root: Path, listing: Any, what: str) -> None:
        super().__init__(root)
        self._listing = listing
        self._what = what
        self._runner = asyncio.Runner()
        self._thread = ThreadPoolExecutor(1, "mlcore-repository")

    def entries(self) -> list[RepositoryEntry]:
        """Return what `list()` gives, ordered by name and version.

        Raises:
            SettingsError: It raises, or gives something else.
        """
        return self._entries_of(self._listing.list(), "list()")

    def find(self, name: str) -> list[RepositoryEntry] | None:
        """Return what `find(name)` gives, if there is such a method. One that raises "not found" gives nothing."""
        if not inspect.iscoroutinefunction(getattr(self._listing, "find", None)):
            return None
        try:
            return self._entries_of(self._listing.find(name), "find()")
        except NotFoundError:
            return []

    def close(self) -> None:
        """End the event loop."""
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def _entries_of(self, asked: Coroutine[Any, Any, Any], method: str) -> list[RepositoryEntry]:
        try:
            given = self._thread.submit(self._runner.run, asked).result()
        except NotFoundError:
            raise
        except Exception as error:  # a user's method may raise anything
            raise SettingsError(f"{self._what}: {method} raised {type(error).__name__}: {error}") from error
        found: dict[tuple[str, str | None], RepositoryEntry] = {}
        for settings in given if isinstance(given, list | tuple) else [given]:
            if not isinstance(settings, ModelSettings) or not settings.name:
                got = type(settings).__name__
                raise SettingsError(f"{self._what}: {method} gave {got}; expected a list of ModelSettings with names")
            key = (settings.name, settings.parameters.version)
            problem = f"{called(key)} is listed twice; rename one of them" if key in found else ""
            found[key] = RepositoryEntry(*key, None if problem else settings, problem, settings.folder)
        return [found[key] for key in sorted(found, key=lambda key: (key[0], in_order(key[1] or "")))]
