"""What an image of a folder is made of: found out once, before anything is written."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from mlcore.control import mlcore_version
from mlcore.errors import SettingsError
from mlcore.plugins import Plugins
from mlcore.repository.folder_repository import FolderRepository
from mlcore.settings_file import read_json
from mlcore.settings_sources import SETTINGS_FILE, read_settings

from command_build.context import files_of
from command_build.dependencies import Dependencies, read_dependencies
from command_build.needs import SERVER, needed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mlcore.settings import ModelSettings, Settings

_PORTS = {"rest": "http_port", "grpc": "grpc_port", "metrics": "metrics_port"}


@dataclass(frozen=True)
class Image:
    """What an image of a folder is made of.

    Attributes:
        folder: The folder.
        models: The names of its models.
        dependencies: What it says that its models need.
        distributions: The distributions of mlcore that are installed besides, each with the reason.
        notes: What could not be found out, for whoever builds.
        ports: The port of each transport.
        tls: How the REST transport is encrypted: "", "server", or "mutual" where it asks clients for a certificate.
        base: The base image that is taken unless another is given.
        mlcore: The version of mlcore.
    """

    folder: Path
    models: tuple[str, ...]
    dependencies: Dependencies
    distributions: dict[str, str]
    notes: tuple[str, ...]
    ports: dict[str, int]
    tls: str
    base: str
    mlcore: str

    @property
    def requirements(self) -> list[str]:
        """What pip is told to install from its index, as it is installed here."""
        return [_pinned(name) for name in self.distributions]


def describe(folder: Path, plugins: Iterable[str] = (), base: str = "") -> Image:
    """Find out what an image of a folder is made of.

    Args:
        folder: The folder.
        plugins: Distributions that it needs besides what its settings name.
        base: The base image; one with the Python of this process if empty.

    Raises:
        SettingsError: The folder has no model, or its settings are wrong.
    """
    folder = folder.absolute()
    if not folder.is_dir():
        raise SettingsError(f"'{folder}' is not a folder")
    settings = read_settings(folder)
    offered = Plugins(settings.plugins)
    models = _models(folder, settings, offered)
    sources = [file for file in files_of(folder) if file.suffix == ".py"]
    found, notes = needed(folder, sources, settings, models, offered)
    dependencies = read_dependencies(folder)
    named = dict.fromkeys(plugins, "--plugin")
    found = {name: reason for name, reason in found.items() if name not in dependencies.names}
    return Image(
        folder=folder,
        models=tuple(dict.fromkeys(model.name for model in models)) or (folder.name,),
        dependencies=dependencies,
        distributions={SERVER: "the server", **found, **named},
        notes=tuple(notes),
        ports=_ports(folder, settings),
        tls="mutual" if settings.tls_client_ca else "server" if settings.tls_certificate else "",
        base=base or f"python:{sys.version_info.major}.{sys.version_info.minor}-slim",
        mlcore=mlcore_version(),
    )


def _models(folder: Path, settings: Settings, plugins: Plugins) -> list[ModelSettings]:
    """Return the models in the folder; a repository of another kind is asked where it will run, not here."""
    entries = FolderRepository(folder, plugins.runtimes).entries()
    problems = [entry.problem for entry in entries if entry.settings is None]
    if not entries and settings.model_repository_implementation is None:
        problems.append(
            f"'{folder}': no model-settings.json here or below, and no file that an installed runtime claims"
        )
    if problems:
        raise SettingsError("\n".join(problems))
    return [entry.settings for entry in entries if entry.settings is not None]


def _ports(folder: Path, settings: Settings) -> dict[str, int]:
    """Return the ports as the folder has them: the variables of this process are not those of the container."""
    file = folder / SETTINGS_FILE
    given: dict[str, Any] = read_json(file, str(file)) if file.exists() else {}
    defaults = type(settings).model_fields
    ports = {
        transport: int(given.get(name, defaults[name].default))
        for transport, name in _PORTS.items()
        if settings.transports is None or transport in settings.transports
    }
    return {transport: port for transport, port in ports.items() if port}


def _pinned(name: str) -> str:
    """Return the requirement that gives the image what is installed here."""
    try:
        return f"{name}=={version(name)}"
    except PackageNotFoundError:
        return name
