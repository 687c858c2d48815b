"""`mlcore check`: say everything that is wrong with a folder, without serving it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mlcore.plugins import Plugins
    from mlcore.settings import ModelSettings


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=".", help="the folder that would be served (default: here)")


def _run(given: Namespace) -> int:
    from mlcore.errors import MLCoreError, SettingsError
    from mlcore.plugins import Plugins
    from mlcore.repository import FolderRepository
    from mlcore.settings_sources import read_settings

    folder = Path(given.folder)
    if not folder.is_dir():
        raise SettingsError(f"'{folder}' is not a folder")
    problems: list[str] = []
    plugins = Plugins()
    try:
        settings = read_settings(folder)
        plugins = Plugins(settings.plugins)
        engine = settings.engine or ("process" if settings.parallel_workers else "inline")
        plugins.engines.get(engine)
        for name in settings.transports or ():
            plugins.transports.get(name)
    except MLCoreError as error:
        problems += str(error).splitlines()
    repository = FolderRepository(folder, plugins.runtimes)
    entries = repository.entries()
    if not entries:
        problems.append(f"{folder}: no model-settings.json here or below, and no file that an installed runtime claims")
    for entry in entries:
        found = [entry.problem] if entry.settings is None else _problems(entry.settings, plugins, folder)
        problems += [f"model '{entry.name}': {line}" for text in found for line in text.splitlines()]
    for record in plugins.broken:
        problems.append(f"plugin {record.name}: {record.error}")
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    word = "problem" if len(problems) == 1 else "problems"
    sys.stdout.write(f"{len(entries)} model(s) checked, {len(problems)} {word}\n")
    return 1 if problems else 0


def _problems(settings: ModelSettings, plugins: Plugins, root: Path) -> list[str]:
    """Return what is wrong with one model, as far as that shows without loading it."""
    from mlcore.errors import MLCoreError
    from mlcore.loading import load_class, make_plan, own_modules

    problems = []
    uri = settings.parameters.uri
    if uri is not None and _is_path(uri) and not ((settings.folder or root) / Path(uri).expanduser()).exists():
        problems.append(f"parameters.uri: there is no file or folder '{uri}' (relative to the model's folder)")
    try:
        plan = make_plan(settings, plugins, root)
        if plan.target is None:
            if plugins.load(settings) is None:
                problems.append(plan.problem)
        else:
            with own_modules(settings.folder if plan.target.file else None):
                load_class(plan.target, settings.implementation)
    except MLCoreError as error:
        problems.append(str(error))
    return problems


def _is_path(uri: str) -> bool:
    """Say whether a URI can only mean a file: it is no address, no package name and no other word."""
    return "://" not in uri and ("/" in uri or uri.startswith(("~", ".")) or "." in Path(uri).name)


CHECK = Command("check", "Say everything that is wrong with a folder, without serving it.", _configure, _run)
