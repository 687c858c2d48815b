"""The modules beside a model: importable while it loads, by its own code only, and forgotten afterwards.

Two models may both have a `my_model.py` and a `helpers.py`, and code that was edited is read anew by the next load.
It knows no settings and no plugins.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
import threading
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader, all_suffixes
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

_PRIVATE = "_mlcore_model_"
_SUFFIXES = tuple(all_suffixes())
_WAIT_S = 0.01

# The import system belongs to the whole process, and so does the turn to change what it finds.
_turn = threading.Lock()
_numbers = count(1)

shared_folder: ContextVar[Path | None] = ContextVar("mlcore_shared_folder", default=None)
"""The repository's folder, whose modules every model in it may import while it loads."""


@contextmanager
def own_modules(folder: Path | None) -> Iterator[None]:
    """Let code in this context import the modules of a model's folder, and forget them afterwards.

    Waits for its turn, so it is for threads; nested in another one for the same folder it does nothing. Modules of
    the standard library, and those that are imported already, are never replaced.

    Args:
        folder: The model's folder; `None` for a model without one.
    """
    folders = _folders(folder)
    if not folders or _is_inside(folders):
        yield
        return
    with _turn, _Finder(folders).found():
        yield


@asynccontextmanager
async def own_modules_of_load(folder: Path | None) -> AsyncIterator[None]:
    """Do what `own_modules` does, for code on an event loop, which goes on while this waits for its turn."""
    folders = _folders(folder)
    if not folders:
        yield
        return
    while not _turn.acquire(blocking=False):  # noqa: ASYNC110  # the turn is that of every loop in the process
        await asyncio.sleep(_WAIT_S)
    try:
        with _Finder(folders).found():
            yield
    finally:
        _turn.release()


def import_own(module: str, file: Path) -> ModuleType:
    """Import the module of a model's folder that `own_modules` makes importable.

    A file at the top of the folder gets a name of its own, which stays importable until `forget`. A module inside
    a package keeps its name, for its siblings know it by that.

    Args:
        module: The name that the settings use.
        file: Its file.

    Raises:
        ImportError: The name belongs to a package that is imported from elsewhere.
    """
    top = module.partition(".")[0]
    if "." in module:
        known = sys.modules.get(top)
        if known is not None and not _is_beside(known, file):
            raise ImportError(
                f"the name '{top}' belongs to a package that the server has imported; rename the model's '{top}'"
            )
        return importlib.import_module(module)
    private = f"{_PRIVATE}{next(_numbers)}_{module}"
    loader = _FreshLoader(private, str(file))
    spec = importlib.util.spec_from_loader(private, loader, is_package=file.name == "__init__.py")
    assert spec is not None  # it is `None` only without a loader
    own = importlib.util.module_from_spec(spec)
    own.__file__ = str(file)
    sys.modules[private] = own
    finder = _current.get()
    if finder is not None:
        finder.private.add(private)
        # Pickles, and the siblings, know the module by its plain name, which is forgotten after the load.
        if module not in sys.modules and module not in sys.stdlib_module_names:
            sys.modules[module] = own
            finder.names.add(module)
    loader.exec_module(own)
    return own


def forget(kind: type) -> None:
    """Forget the private modules of a model's class, once the model is gone."""
    top = kind.__module__.partition(".")[0]
    if top.startswith(_PRIVATE):
        _drop({top})


class _FreshLoader(SourceFileLoader):
    """Compiles a module from its source each time, and leaves no file behind.

    A cached one counts as fresh as long as size and whole second of the source are the same, so an edit may be missed.
    """

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


class _Finder(MetaPathFinder):
    """Finds the modules of some folders for the code of one context, and knows which it found."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = [str(folder) for folder in folders]
        self.names: set[str] = set()
        self.private: set[str] = set()

    @contextmanager
    def found(self) -> Iterator[None]:
        """Find modules in this context; afterwards forget them, and after a failure the private ones too."""
        importlib.invalidate_caches()
        # A new list each time: an import of another thread goes through the one that it began with, and would skip a
        # finder of a list that gets shorter meanwhile.
        sys.meta_path = [self, *sys.meta_path]
        token = _current.set(self)
        try:
            yield
        except BaseException:
            _drop(self.private)
            raise
        finally:
            sys.meta_path = [finder for finder in sys.meta_path if finder is not self]
            _drop(self.names)
            for place in list(sys.path_importer_cache):
                if any(Path(place).is_relative_to(folder) for folder in self.folders):
                    sys.path_importer_cache.pop(place, None)
            _current.reset(token)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if _current.get() is not self:
            return None
        top = fullname.partition(".")[0]
        if path is not None:
            is_own = top in self.names or top.startswith(_PRIVATE)
            return _fresh(PathFinder.find_spec(fullname, path, target)) if is_own else None
        if fullname in sys.stdlib_module_names:
            return None
        spec = PathFinder.find_spec(fullname, self.folders, target)
        if spec is None or (spec.loader is None and _is_installed(fullname)):
            return None  # a mere folder, such as a model called `sklearn`, hides no installed package
        self.names.add(fullname)
        return _fresh(spec)


_current: ContextVar[_Finder | None] = ContextVar("mlcore_own_modules", default=None)


def _folders(folder: Path | None) -> list[Path]:
    """Return where a model's own modules are: its folder, then the repository's. None, where neither has any."""
    if folder is None:
        return []
    shared = shared_folder.get() or folder
    if not _has_modules(folder, "*/*.py") and not _has_modules(shared, "*/__init__.py"):
        return []
    return list(dict.fromkeys([folder.absolute(), shared.absolute()]))


def _is_inside(folders: list[Path]) -> bool:
    finder = _current.get()
    return finder is not None and set(map(str, folders)) <= set(finder.folders)


def _has_modules(folder: Path, packages: str) -> bool:
    """Say whether a folder has modules. In the repository's, a folder with code may just be another model."""
    if not folder.is_dir():
        return False
    return any(place.name.endswith(_SUFFIXES) for place in folder.iterdir()) or any(folder.glob(packages))


def _is_beside(module: ModuleType, file: Path) -> bool:
    """Say whether a package that is imported already is the one that `file` belongs to."""
    return any(file.is_relative_to(Path(place).absolute()) for place in getattr(module, "__path__", ()))


def _is_installed(name: str) -> bool:
    spec = PathFinder.find_spec(name)
    return spec is not None and spec.loader is not None


def _fresh(spec: ModuleSpec | None) -> ModuleSpec | None:
    if spec is not None and type(spec.loader) is SourceFileLoader:
        spec.loader = _FreshLoader(spec.loader.name, spec.loader.path)
        spec.cached = None
    return spec


def _drop(names: set[str]) -> None:
    for name in list(sys.modules):  # of one moment: other threads import
        if name.partition(".")[0] in names:
            sys.modules.pop(name, None)
