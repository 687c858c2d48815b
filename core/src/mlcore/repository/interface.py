"""Where models come from: what a model repository is, and which one the settings name.

The built-in one is `folder_repository.py`.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mlcore.errors import MLCoreError, SettingsError
from mlcore.own_modules import import_own, own_modules
from mlcore.repository.file_stamps import FileStamps
from mlcore.repository.folder_walk import FolderWalk
from mlcore.settings import ModelSettings  # msgspec reads the annotations

if TYPE_CHECKING:
    from mlcore.plugins import Plugins
    from mlcore.settings import Settings


class RepositoryEntry(msgspec.Struct, frozen=True):
    """One model that a repository holds.

    Attributes:
        name: The model's name; where the settings cannot be read, the one that it had, or the folder's.
        version: Its version.
        settings: Its settings; `None` where they are wrong.
        problem: What is wrong.
        folder: Where its files are, if it has any.
    """

    name: str
    version: str | None
    settings: ModelSettings | None
    problem: str = ""
    folder: Path | None = None


class ModelRepository(ABC):
    """Where a server finds its models. Subclass it for a place of your own.

    The setting `model_repository_implementation` names the class. The server asks again at each question of a client,
    so a change counts at the next load. It asks in threads, perhaps in several at once.

    Args:
        root: The folder that is served; models may share the modules in there.
        arguments: Those of the setting `model_repository_implementation_args`, for a subclass to take by name.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._files = FileStamps(FolderWalk(self.root))

    @abstractmethod
    def entries(self) -> list[RepositoryEntry]:
        """Return every model, broken ones too.

        Raises:
            SettingsError: The repository cannot be read now; what is loaded goes on.
        """

    def find(self, name: str) -> list[RepositoryEntry] | None:
        """Return the versions of one model, for its load; `None` says that `entries` lists them."""

    def stamp(self, entry: RepositoryEntry) -> object:
        """Return what a model consists of now, as something that can be compared: another stamp, another model.

        That is its settings and each of its files. Loads that are asked for meanwhile share the one of the same stamp,
        and the setting `watch` waits for another stamp.
        """
        settings = entry.settings
        folder = entry.folder or (settings.folder if settings is not None else None)
        uri = settings.parameters.uri if settings is not None else None
        return settings, entry.problem, self._files.of(folder, uri)

    def close(self) -> None:
        """Let go of what is held. Called once, when the server stops."""


def make_repository(settings: Settings, root: Path, plugins: Plugins) -> ModelRepository:
    """Return the repository that the settings name, by default the folder.

    Args:
        settings: The server's settings.
        root: The folder that is served.
        plugins: What is installed.

    Raises:
        SettingsError: The settings name no such class, or it cannot be made.
    """
    from mlcore.repository.folder_repository import FolderRepository
    from mlcore.repository.listed_repository import ListedRepository

    named, arguments = settings.model_repository_implementation, settings.model_repository_implementation_args
    kind: type[Any] = FolderRepository if named is None else _class_of(named, root)
    what = f"model_repository_implementation: {getattr(named, '__qualname__', named)}"
    try:
        if issubclass(kind, FolderRepository):
            return kind(root, plugins.runtimes, **arguments)
        if issubclass(kind, ModelRepository):
            return kind(root, **arguments)
        if inspect.iscoroutinefunction(getattr(kind, "list", None)):
            return ListedRepository(root, kind(root=str(root), **arguments), what)
    except MLCoreError:
        raise
    except TypeError as error:
        raise SettingsError(f"{what}: model_repository_implementation_args do not fit: {error}") from error
    except Exception as error:  # a user's constructor may raise anything
        raise SettingsError(f"{what}: it cannot be made: {type(error).__name__}: {error}") from error
    raise SettingsError(
        f"{what}: is no model repository; let it subclass mlcore.repository.ModelRepository and define entries(), or "
        "give it `async def list(self)` that returns ModelSettings"
    )


def _class_of(named: str | type, root: Path) -> type[Any]:
    if isinstance(named, type):
        return named
    what = f"model_repository_implementation: '{named[:200]}'"
    module, _, name = named.partition(":") if ":" in named else named.rpartition(".")
    if not all(part.isidentifier() for part in f"{module}.{name}".split(".")):
        raise SettingsError(f"{what}: write it as 'my_repository.MyRepository', a class of my_repository.py")
    file = root / Path(*module.split(".")).with_suffix(".py")
    try:
        with own_modules(root):
            found = getattr(import_own(module, file) if file.is_file() else import_module(module), name, None)
    except ModuleNotFoundError as error:
        hint = ""
        if module.partition(".")[0] == "mlserver":
            hint = "; leave the setting out for models in a folder, or install mlcore-mlserver for classes of its kind"
        raise SettingsError(
            f"{what}: there is no module '{error.name}', neither in the served folder nor installed{hint}"
        ) from error
    except (Exception, SystemExit) as error:  # a user's module may raise anything at import
        raise SettingsError(f"{what}: its module fails to import: {type(error).__name__}: {error}") from error
    if not isinstance(found, type):
        raise SettingsError(f"{what}: the module '{module}' has no class '{name}'")
    return found
