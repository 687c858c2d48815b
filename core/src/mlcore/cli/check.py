"""`mlcore check`: say everything that is wrong with a folder, without serving it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mlcore.plugins import Plugins
    from mlcore.repository import ModelRepository
    from mlcore.settings import ModelSettings, Settings


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=".", help="the folder that would be served (default: here)")


def _run(given: Namespace) -> int:
    from mlcore.errors import SettingsError
    from mlcore.folder_repository import FolderRepository
    from mlcore.plugins import Plugins
    from mlcore.registry import called
    from mlcore.repository import make_repository

    folder = Path(given.folder).absolute()
    if not folder.is_dir():
        raise SettingsError(f"'{given.folder}' is not a folder")
    settings, problems = _server_settings(folder)
    plugins = Plugins(settings.plugins if settings is not None else None)
    if settings is not None:
        problems += _server_problems(settings, plugins)
    if settings is None:
        repository: ModelRepository = FolderRepository(folder, plugins.runtimes)
    else:
        repository = make_repository(settings, folder, plugins)
    try:
        entries = repository.entries()
    finally:
        repository.close()
    if not entries and isinstance(repository, FolderRepository):
        problems.append(
            f"'{given.folder}': no model-settings.json here or below, and no file that an installed runtime claims"
        )
    for entry in entries:
        found = [entry.problem] if entry.settings is None else _model_problems(entry.settings, plugins, folder)
        name = called((entry.name, entry.version))
        problems += [f"{name}: {line}" for text in found for line in text.splitlines()]
    problems += [f"plugin {record.name}: {record.error}" for record in plugins.broken]
    word = "problem" if len(problems) == 1 else "problems"
    models = "model" if len(entries) == 1 else "models"
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    sys.stdout.write(f"{len(entries)} {models} checked, {len(problems)} {word}\n")
    return 1 if problems else 0


def _server_settings(folder: Path) -> tuple[Settings | None, list[str]]:
    from mlcore.errors import SettingsError
    from mlcore.settings_sources import read_settings

    try:
        return read_settings(folder), []
    except SettingsError as error:
        return None, str(error).splitlines()


def _server_problems(settings: Settings, plugins: Plugins) -> list[str]:
    from mlcore.engine import find_engine
    from mlcore.errors import MLCoreError
    from mlcore.transport import find_transports

    problems = []
    for find in (find_engine, find_transports):
        try:
            find(settings, plugins)
        except MLCoreError as error:
            problems.append(str(error))
    return problems


def _model_problems(settings: ModelSettings, plugins: Plugins, root: Path) -> list[str]:
    """Return what is wrong with one model, as far as that shows without loading it."""
    from mlcore.errors import MLCoreError
    from mlcore.loading import load_class, make_plan, ready_made
    from mlcore.own_modules import forget, own_modules, shared_folder

    problems = []
    uri = settings.parameters.uri
    if uri is not None and _is_path(uri) and not ((settings.folder or root) / Path(uri).expanduser()).exists():
        problems.append(f"parameters.uri: there is no file or folder '{uri}' (relative to the model's folder)")
    token = shared_folder.set(root)
    try:
        plan = make_plan(settings, plugins, root)
        with own_modules(settings.folder):
            if ready_made(plan, plugins) is None:
                if plan.target is None:
                    problems.append(plan.problem)
                else:
                    forget(load_class(plan.target, settings.implementation))
    except MLCoreError as error:
        problems.append(str(error))
    finally:
        shared_folder.reset(token)
    return problems


def _is_path(uri: str) -> bool:
    """Say whether a URI can only mean a file: it is no address, no package name and no other word."""
    return "://" not in uri and ("/" in uri or uri.startswith(("~", ".")) or "." in Path(uri).name)


CHECK = Command("check", "Say everything that is wrong with a folder, without serving it.", _configure, _run)
