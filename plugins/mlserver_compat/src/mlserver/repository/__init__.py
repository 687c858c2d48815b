"""Where models come from, as classes of users' own subclass it; `model_repository_implementation` names one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.logs import get_logger
from mlcore.plugins import Plugins
from mlcore.repository.folder_repository import FolderRepository
from mlcore.settings_sources import MODEL_SETTINGS_FILE as DEFAULT_MODEL_SETTINGS_FILENAME

from mlserver.errors import ModelNotFound

if TYPE_CHECKING:
    import builtins

    from mlcore import ModelSettings

__all__ = ["DEFAULT_MODEL_SETTINGS_FILENAME", "ModelRepository", "SchemalessModelRepository"]

log = get_logger("mlcore.repository")


class ModelRepository(ABC):
    """Says which models there are."""

    @abstractmethod
    async def list(self) -> list[ModelSettings]:
        """Return the settings of every model."""

    @abstractmethod
    async def find(self, name: str) -> builtins.list[ModelSettings]:
        """Return the settings of every version of one model."""


class SchemalessModelRepository(ModelRepository):
    """The models of a folder.

    Args:
        root: The folder.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._folder = FolderRepository(Path(root), Plugins().runtimes)

    async def list(self) -> list[ModelSettings]:
        """Return the settings of every model; those that are wrong are logged, and left out."""
        found = []
        for entry in self._folder.entries():
            if entry.settings is None:
                log.warning("the settings of a model are wrong", model=entry.name, reason=entry.problem)
            else:
                found.append(entry.settings)
        return found

    async def find(self, name: str) -> builtins.list[ModelSettings]:
        """Return the settings of every version of one model.

        Raises:
            ModelNotFound: There is none.
        """
        found = [settings for settings in await self.list() if settings.name == name]
        if not found:
            raise ModelNotFound(name)
        return found
