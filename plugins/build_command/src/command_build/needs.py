"""Which distributions an image needs, so that the models of a folder find what they name."""

from __future__ import annotations

import ast
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, packages_distributions, requires
from typing import TYPE_CHECKING

from mlcore.errors import UnknownNameError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mlcore.plugins import Plugins
    from mlcore.settings import ModelSettings, Settings

SERVER = "mlcore-server"
# The distribution that has MLServer's import name.
STAND_IN = "mlcore-mlserver"
_CORE = {"mlcore-core", "mlcore-protocol", SERVER}


def needed(
    root: Path, sources: Iterable[Path], settings: Settings, models: list[ModelSettings], plugins: Plugins
) -> tuple[dict[str, str], list[str]]:
    """Find the distributions that a folder needs besides the server and what it names itself.

    Args:
        root: The folder.
        sources: Its Python files.
        settings: The server's settings.
        models: The settings of its models.
        plugins: What is installed here.

    Returns:
        The distributions, each with the reason, and what could not be found out.
    """
    found: dict[str, str] = {}
    unknown: list[str] = []
    provided = _providers()

    def add(distribution: str, reason: str) -> None:
        if canonicalize_name(distribution) not in _CORE:
            found.setdefault(canonicalize_name(distribution), reason)

    for model in models:
        implementation = str(model.implementation)
        reason = f"implementation '{implementation}' of {model.name}"
        try:
            add(plugins.runtimes.get(implementation).distribution, reason)
        except UnknownNameError as error:
            module = implementation.partition(":")[0].partition(".")[0]
            if "#" in implementation:
                add(implementation.partition("#")[0], reason)
            elif not set(implementation) & {".", ":"}:
                unknown.append(f"implementation: {error}")
            elif not any(
                (folder / module).exists() or (folder / f"{module}.py").exists() for folder in _places(model, root)
            ):
                for distribution in provided.get(module, ()):
                    add(distribution, reason)
    offers = plugins.codecs.content_types()
    for model in models:
        for content_type in _content_types(model):
            for distribution in offers.get(content_type, ()):
                add(distribution, f"content type '{content_type}' of {model.name}")
    for distribution in settings.plugins.allow or ():
        add(distribution, "plugins.allow")
    for name in settings.transports or ():
        if name in plugins.transports:
            add(plugins.transports.get(name).distribution, f"transport '{name}'")
    if settings.engine is not None and settings.engine in plugins.engines:
        add(plugins.engines.get(settings.engine).distribution, f"engine '{settings.engine}'")
    ours = {canonicalize_name(record.distribution) for record in plugins.records}
    codecs = {name for names in offers.values() for name in names}
    for module, file in _imports(sources).items():
        if module == "mlserver":
            add(STAND_IN, f"'{module}', which {file.relative_to(root)} imports")
        for distribution in map(canonicalize_name, provided.get(module, ())):
            reason = f"'{module}', which {file.relative_to(root)} imports"
            if distribution in ours:
                add(distribution, reason)
            for codec in codecs:  # a model that computes with pandas is likely to be asked with a DataFrame
                if distribution in _required(codec) - _required("mlcore-core") - _required("mlcore-protocol"):
                    add(codec, reason)
    return found, unknown


@cache
def _providers() -> dict[str, list[str]]:
    """Return who provides each top-level module. What is installed from a folder says so in its entry points alone."""
    found = dict(packages_distributions())
    for point in entry_points(group="mlcore"):
        if point.dist is not None:
            found.setdefault(point.module.partition(".")[0], [point.dist.name])
    return found


def _places(model: ModelSettings, root: Path) -> list[Path]:
    return [folder for folder in (model.folder, root) if folder is not None]


def _content_types(model: ModelSettings) -> Iterator[str]:
    if model.parameters.content_type:
        yield model.parameters.content_type
    for tensor in (*model.inputs, *model.outputs):
        if tensor.parameters and isinstance(content_type := tensor.parameters.get("content_type"), str):
            yield content_type


def _imports(sources: Iterable[Path]) -> dict[str, Path]:
    """Return the top-level modules that files import, each with one of the files."""
    found: dict[str, Path] = {}
    for file in sources:
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue  # the check of the folder says so
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            for name in names:
                found.setdefault(name.partition(".")[0], file)
    return found


def _required(distribution: str) -> set[str]:
    try:
        return {canonicalize_name(Requirement(line).name) for line in requires(distribution) or ()}
    except PackageNotFoundError:
        return set()
