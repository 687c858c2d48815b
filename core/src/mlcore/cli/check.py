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
    parser.add_argument(
        "--production", action="store_true", help="also check what has to hold before strangers reach the server"
    )


def _run(given: Namespace) -> int:
    from mlcore.errors import SettingsError
    from mlcore.plugins import Plugins
    from mlcore.production import findings
    from mlcore.registry import called
    from mlcore.repository import make_repository
    from mlcore.repository.folder_repository import FolderRepository
    from mlcore.trust import Trust, trust_of
    from mlcore.without_effect import of_model, of_server

    folder = Path(given.folder).absolute()
    if not folder.is_dir():
        raise SettingsError(f"'{given.folder}' is not a folder")
    settings, problems = _server_settings(folder)
    warnings: list[str] = []
    plugins = Plugins(settings.plugins if settings is not None else None)
    has_workers = True
    if settings is not None:
        problems += _server_problems(settings, plugins)
        has_workers = _has_workers(settings, plugins)
        warnings += of_server(settings, has_workers)
        problems += findings(settings, folder) if given.production else []
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
    trust = trust_of(settings, folder) if settings is not None else Trust()
    for entry in entries:
        name = called((entry.name, entry.version))
        if entry.settings is None:
            found = [entry.problem]
        else:
            found, remarks = _checked(entry.settings.trusting(trust), plugins, folder)
            if settings is not None:
                has_worker = has_workers and entry.settings.parallel_workers != 0
                found += [] if has_worker else _place_problems(entry.settings)
                remarks = [*of_model(entry.settings, settings, has_workers), *remarks]
            warnings += [f"{name}: {remark}" for remark in remarks]
        problems += [f"{name}: {line}" for text in found for line in text.splitlines()]
    problems += [f"plugin {record.name}: {record.error}" for record in plugins.broken]
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    sys.stdout.write("".join(f"warning: {warning}\n" for warning in warnings))
    counts = [f"{_count(len(entries), 'model')} checked", _count(len(problems), "problem")]
    counts += [_count(len(warnings), "warning")] if warnings else []
    sys.stdout.write(f"{', '.join(counts)}\n")
    return 1 if problems else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _server_settings(folder: Path) -> tuple[Settings | None, list[str]]:
    from mlcore.errors import SettingsError
    from mlcore.settings_sources import read_settings

    try:
        return read_settings(folder), []
    except SettingsError as error:
        return None, str(error).splitlines()


def _server_problems(settings: Settings, plugins: Plugins) -> list[str]:
    from mlcore.access.guard import Guard
    from mlcore.engine import find_engine
    from mlcore.errors import MLCoreError, SettingsError
    from mlcore.logging_settings import read_logging_settings
    from mlcore.tls import ServerTls
    from mlcore.transport import find_transports

    problems = []
    if settings.logging_settings is not None:
        try:
            read_logging_settings(settings.logging_settings)
        except SettingsError as error:
            problems.append(str(error))
    try:
        ServerTls(settings)
    except SettingsError as error:
        problems.append(str(error))
    try:
        Guard.of(settings, plugins.authenticators(settings))
    except MLCoreError as error:
        problems.append(str(error))
    for find in (find_engine, find_transports):
        try:
            find(settings, plugins)
        except MLCoreError as error:
            problems.append(str(error))
    return problems


def _has_workers(settings: Settings, plugins: Plugins) -> bool:
    from mlcore.engine import find_engine
    from mlcore.errors import MLCoreError

    try:
        return find_engine(settings, plugins).name != "inline"
    except MLCoreError:
        return True


def _place_problems(settings: ModelSettings) -> list[str]:
    from mlcore.environments import check_no_environment
    from mlcore.errors import ModelLoadError

    try:
        check_no_environment(settings)
    except ModelLoadError as error:
        return [str(error)]
    return []


def _artefact_problems(settings: ModelSettings) -> list[str]:
    from mlcore.artefacts import artefact_place, names_a_path
    from mlcore.digest import digest_of
    from mlcore.errors import ModelLoadError

    uri, digest = settings.parameters.uri, settings.parameters.digest
    try:
        if uri is not None and names_a_path(uri) and not artefact_place(settings).exists():
            return [f"parameters.uri: there is no file or folder '{uri}' (relative to the model's folder)"]
        if digest is not None and (got := digest_of(artefact_place(settings))) != digest:
            return [f"parameters.digest: expected {digest}, got {got}; if that is right, run: mlcore pin FOLDER"]
    except ModelLoadError as error:
        return [str(error)]
    return []


def _checked(settings: ModelSettings, plugins: Plugins, root: Path) -> tuple[list[str], list[str]]:
    """Return what is wrong with one model, as far as that shows without loading it, and what has no effect."""
    from mlcore.errors import MLCoreError
    from mlcore.loading import load_class, make_plan, ready_made
    from mlcore.own_modules import forget, own_modules, shared_folder
    from mlcore.predict import is_async
    from mlcore.without_effect import of_predict

    problems: list[str] = []
    remarks: list[str] = []
    problems += _artefact_problems(settings)
    token = shared_folder.set(root)
    try:
        plan = make_plan(settings, plugins, root)
        with own_modules(settings.folder):
            if ready_made(plan, plugins) is None:
                if plan.target is None:
                    problems.append(plan.problem)
                else:
                    kind = load_class(plan.target, settings.implementation)
                    remarks = of_predict(settings, is_async(kind))
                    forget(kind)
    except MLCoreError as error:
        problems.append(str(error))
    finally:
        shared_folder.reset(token)
    return problems, remarks


CHECK = Command("check", "Say everything that is wrong with a folder, without serving it.", _configure, _run)
