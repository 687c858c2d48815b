"""From settings to a model object: the plan, made where the server is, and its import, done where the model lives."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mlcore.errors import ModelLoadError, UnknownNameError
from mlcore.implementation import Target, resolve
from mlcore.model import MLModel
from mlcore.own_modules import import_own
from mlcore.own_modules import own_modules as own_modules
from mlcore.settings import ModelSettings

if TYPE_CHECKING:
    from types import ModuleType

    from mlcore.plugins import Plugins

# Modules whose distribution has another name.
_INSTALLED_AS = {
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}


class Plan(msgspec.Struct, frozen=True):
    """What an engine needs to load a model.

    Attributes:
        settings: The model's settings.
        target: What to import; `None` where only a plugin's `mlcore_load` can make the model.
        problem: Why there is no target.
        root: The repository's folder, where modules shared by several models may be.
    """

    settings: ModelSettings
    target: Target | None
    problem: str = ""
    root: Path | None = None


def make_plan(settings: ModelSettings, plugins: Plugins, root: Path | None) -> Plan:
    """Find out what a model's settings name, without importing it.

    Args:
        settings: The model's settings.
        plugins: What is installed.
        root: The repository's folder, where modules shared by several models may be.

    Raises:
        AmbiguousNameError: Two distributions offer the implementation.
    """
    folders = [folder.absolute() for folder in (settings.folder, root) if folder is not None]
    try:
        return Plan(settings, resolve(settings.implementation, plugins.runtimes, folders), root=root)
    except UnknownNameError as error:
        return Plan(settings, None, f"implementation: {error}", root)


def make_model(plan: Plan, plugins: Plugins) -> MLModel:
    """Import the model's class and make the model, not loaded yet.

    Raises:
        ModelLoadError: There is no such class, its module fails, or it is no `MLModel`.
        PluginError: A plugin failed while it was asked.
    """
    made = ready_made(plan, plugins)
    if made is not None:
        return made
    if plan.target is None:
        raise ModelLoadError(plan.problem)
    kind = load_class(plan.target, plan.settings.implementation)
    try:
        model = kind(plan.settings)
    except ModelLoadError:
        raise
    except (Exception, SystemExit) as error:  # a user's constructor may raise anything
        raise ModelLoadError(f"{plan.target.name}(settings) raised {type(error).__name__}: {error}") from error
    if not hasattr(model, "_settings"):
        raise ModelLoadError(f"{plan.target.name}.__init__ has to call super().__init__(settings)")
    return model


def ready_made(plan: Plan, plugins: Plugins) -> MLModel | None:
    """Ask the plugins for a model whose implementation is neither a name that is offered nor a module that exists.

    Raises:
        PluginError: A plugin failed while it was asked.
    """
    if plan.target is None or (plan.target.file is None and plan.target.given is None and not _exists(plan.target)):
        return plugins.load(plan.settings)
    return None


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


def _module(target: Target, implementation: Any) -> ModuleType:
    try:
        if target.file is None:
            return importlib.import_module(target.module)
        return import_own(target.module, Path(target.file))
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if target.file is None and f"{target.module}.".startswith(f"{missing}."):
            raise ModelLoadError(
                f"implementation: '{implementation}': there is no module '{missing}', neither in the model's folder "
                f"nor installed{_offered_as(missing)}"
            ) from error
        raise ModelLoadError(f"implementation: '{implementation}' needs {_needed(missing)}") from error
    except (Exception, SystemExit) as error:  # a user's module may raise anything at import
        raise ModelLoadError(
            f"implementation: the module '{target.module}' fails to import: {type(error).__name__}: {error}"
            f"{_line_of(error, target.file)}"
        ) from error


def _offered_as(missing: str) -> str:
    """Name the plugin that may offer what folders from another server name."""
    other, _, kind = missing.partition(".")[0].partition("_")
    return (
        f"; a plugin for it may be installable as runtime-{kind.replace('_', '-')}"
        if kind and other == "mlserver"
        else ""
    )


def _needed(missing: str) -> str:
    """Say what to do for a module that a model's own code imports in vain."""
    top = missing.partition(".")[0]
    if top == "mlcore":
        return f"the module '{missing}', which this version of mlcore does not have"
    if missing == "mlserver":
        return (
            "the module 'mlserver', whose names mlcore has as well: install mlcore-mlserver, which provides it, or "
            "write mlcore instead of mlserver in its imports"
        )
    if top == "mlserver":
        return f"the module '{missing}', which is not among the names of MLServer that mlcore-mlserver provides"
    if top.startswith("mlserver_"):
        return (
            f"the module '{missing}', a runtime that needs MLServer itself; let the model's class use mlcore's, or the "
            f"library itself{_offered_as(missing)}"
        )
    return (
        f"the module '{missing}', which is neither in the model's folder nor installed; put it there, or install it "
        f"where the server runs: pip install {_INSTALLED_AS.get(top, top)}"
    )


def _attribute(module: ModuleType, target: Target) -> Any:
    found: Any = module
    for part in target.name.split("."):
        found = getattr(found, part, None)
        if found is None:
            classes = [
                name
                for name, kind in vars(module).items()
                if isinstance(kind, type) and issubclass(kind, MLModel) and kind.__module__ == module.__name__
            ]
            raise ModelLoadError(
                f"implementation: the module '{target.module}' has no '{target.name}'"
                + (f"; its models are: {', '.join(classes)}" if classes else "; it has no model at all")
            )
    return found


def _exists(target: Target) -> bool:
    try:
        return importlib.util.find_spec(target.module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def _line_of(error: BaseException, file: str | None) -> str:
    """Name the line of the model's own file that led to an error, where the error does not say it itself."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line} of {Path(file).name})" if file and line else ""
