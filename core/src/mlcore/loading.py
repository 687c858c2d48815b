"""From settings to a model object: the plan, made where the server is, and its import, done where the model lives."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mlcore.errors import ModelLoadError, UnknownNameError
from mlcore.implementation import Target, resolve
from mlcore.model import MLModel
from mlcore.settings import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from mlcore.plugins import Plugins

_folder: ContextVar[Path | None] = ContextVar("mlcore_model_folder", default=None)
_numbers = count(1)


class Plan(msgspec.Struct, frozen=True):
    """What an engine needs to load a model.

    Attributes:
        settings: The model's settings.
        target: What to import; `None` where only a plugin's `mlcore_load` can make the model.
        problem: Why there is no target.
    """

    settings: ModelSettings
    target: Target | None
    problem: str = ""


def make_plan(settings: ModelSettings, plugins: Plugins, root: Path | None) -> Plan:
    """Find out what a model's settings name, without importing it.

    Args:
        settings: The model's settings.
        plugins: What is installed.
        root: The repository's folder, where modules shared by several models may be.

    Raises:
        AmbiguousNameError: Two distributions offer the implementation.
    """
    folders = [folder for folder in (settings.folder, root) if folder is not None]
    try:
        return Plan(settings, resolve(settings.implementation, plugins.runtimes, folders))
    except UnknownNameError as error:
        return Plan(settings, None, f"implementation: {error}")


def make_model(plan: Plan, plugins: Plugins) -> MLModel:
    """Import the model's class and make the model, not loaded yet.

    Raises:
        ModelLoadError: There is no such class, its module fails, or it is no `MLModel`.
        PluginError: A plugin failed while it was asked.
    """
    if plan.target is None or (plan.target.file is None and plan.target.given is None and not _exists(plan.target)):
        ready_made = plugins.load(plan.settings)
        if ready_made is not None:
            return ready_made
    if plan.target is None:
        raise ModelLoadError(plan.problem)
    kind = load_class(plan.target, plan.settings.implementation)
    try:
        return kind(plan.settings)
    except Exception as error:  # a user's constructor may raise anything
        raise ModelLoadError(f"{plan.target.name}(settings) raised {type(error).__name__}: {error}") from error


def load_class(target: Target, implementation: Any) -> type[MLModel]:
    """Import the class that a target names.

    Raises:
        ModelLoadError: There is no such class, its module fails, or it is no `MLModel`.
    """
    kind = target.given if target.given is not None else _attribute(_module(target, implementation), target)
    if not isinstance(kind, type) or not issubclass(kind, MLModel):
        raise ModelLoadError(
            f"implementation: '{target.module}.{target.name}' is not a class of models; it must subclass mlcore.MLModel"
        )
    return kind


@contextmanager
def own_modules(folder: Path | None) -> Iterator[None]:
    """Let code in this context import the modules of a model's folder, and forget them afterwards.

    Two models may so have helpers of one name. Modules of the standard library are never replaced.
    """
    if folder is None:
        yield
        return
    before = dict(sys.modules)
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)
        for name, module in list(sys.modules.items()):
            if name not in before and not name.startswith(_PRIVATE) and _is_in(module, folder):
                del sys.modules[name]


_PRIVATE = "_mlcore_model_"


class _OwnModulesFinder(MetaPathFinder):
    """Finds the modules of the folder whose model is being loaded in this context."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        folder = _folder.get()
        if folder is None or path is not None or fullname in sys.stdlib_module_names:
            return None
        return PathFinder.find_spec(fullname, [str(folder)], target)


def _module(target: Target, implementation: Any) -> ModuleType:
    if not any(isinstance(finder, _OwnModulesFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OwnModulesFinder())
    importlib.invalidate_caches()
    try:
        if target.file is None or "." in target.module:
            return importlib.import_module(target.module)
        return _from_file(target.module, Path(target.file))
    except ModuleNotFoundError as error:
        if error.name == target.module.partition(".")[0] or error.name == target.module:
            raise ModelLoadError(
                f"implementation: '{implementation}': there is no module '{error.name}', neither in the model's folder "
                "nor installed"
            ) from error
        raise ModelLoadError(
            f"implementation: '{implementation}' needs the module '{error.name}', which is not installed"
        ) from error
    except (Exception, SystemExit) as error:  # a user's module may raise anything at import
        raise ModelLoadError(
            f"implementation: the module '{target.module}' fails to import: {type(error).__name__}: {_text_of(error)}"
            f"{_line_of(error, target.file)}"
        ) from error


def _from_file(name: str, file: Path) -> ModuleType:
    """Import a file under a name of its own: two models may both have a `my_model.py`."""
    private = f"{_PRIVATE}{next(_numbers)}.{name}"
    search = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(private, file, submodule_search_locations=search)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file.name} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[private] = module
    # Pickles, and the siblings, know the module by its plain name; own_modules forgets it after the load.
    if name not in sys.modules and name not in sys.stdlib_module_names:
        sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[private]
        raise
    return module


def _attribute(module: ModuleType, target: Target) -> Any:
    found: Any = module
    for part in target.name.split("."):
        found = getattr(found, part, None)
        if found is None:
            classes = [
                name for name, kind in vars(module).items() if isinstance(kind, type) and issubclass(kind, MLModel)
            ]
            classes = [name for name in classes if vars(module)[name].__module__ == module.__name__]
            raise ModelLoadError(
                f"implementation: the module '{target.module}' has no '{target.name}'"
                + (f"; its models are: {', '.join(classes)}" if classes else "")
            )
    return found


def _exists(target: Target) -> bool:
    try:
        return importlib.util.find_spec(target.module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def _is_in(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).is_relative_to(folder)


def _text_of(error: BaseException) -> str:
    """Return an error's text without the path that an `ImportError` ends in: the text reaches clients."""
    path = getattr(error, "path", None)
    return str(error).replace(f" ({path})", "") if path else str(error)


def _line_of(error: BaseException, file: str | None) -> str:
    trace = error.__traceback__
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line} of {Path(file).name})" if file and line else ""
