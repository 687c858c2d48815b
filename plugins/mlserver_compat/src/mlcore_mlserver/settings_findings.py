"""What will be different with the settings of a server and its models, and with the variables of this environment."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mlcore.errors import MLCoreError, SettingsError
from mlcore.loading import make_plan
from mlcore.mlserver_settings import MODEL_SETTINGS, OTHER_VARIABLES, SERVER_SETTINGS
from mlcore.settings_file import read_json
from mlcore.settings_sources import read_model_settings, read_settings

from mlcore_mlserver.finding import Finding
from mlcore_mlserver.missing_runtimes import advice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlcore.mlserver_settings import Setting
    from mlcore.plugins import Plugins

_PREFIX = "MLSERVER_"
_MODEL_PREFIX = "MLSERVER_MODEL_"
# What MLServer does where nothing is set, and mlcore does not.
_DEFAULTS = ("host", "server_name")
# What is said of a default, which is of no interest where a value is set.
_DEFAULT = re.compile(r"^The default .*?\.( |$)(?=[A-Z]|$)")
# Settings that take more than they do in MLServer, and what they take there too.
_GAINS = ("implementation", "parallel_workers", "max_batch_time")


def of_server(folder: Path) -> Iterator[Finding]:
    """Return what is different with the server's settings, of the file and of the defaults."""
    file = folder / "settings.json"
    values: dict[str, Any] = {}
    try:
        values = read_json(file, str(file)) if file.exists() else {}
        read_settings(folder)
    except SettingsError as error:
        yield from _mistakes(error, str(file))
    yield from _differences(values, SERVER_SETTINGS)
    for name in _DEFAULTS:
        if name not in values:
            yield Finding(
                f"{name} is not set, and MLServer's default is {SERVER_SETTINGS[name].default}. "
                f"{SERVER_SETTINGS[name].difference}"
            )


def of_model(file: Path, root: Path, plugins: Plugins) -> Iterator[Finding]:
    """Return what is different with the settings of one model."""
    try:
        values = read_json(file, file.name)
    except SettingsError as error:
        yield from _mistakes(error, file.name)
        return
    yield from _differences(values, MODEL_SETTINGS)
    given = values.get("parameters")
    parameters = given if isinstance(given, dict) else {}
    for name in ("environment_tarball", "environment_path"):
        if parameters.get(name):
            yield Finding(
                f"parameters.{name}: that environment has MLServer in it; it needs mlcore-mlserver in its place",
                needs_change=True,
            )
    try:
        settings = read_model_settings(file, file.name)
    except SettingsError as error:
        yield from _mistakes(error, file.name)
        return
    problem = _implementation(settings, root, plugins)
    if problem:
        yield Finding(problem, needs_change=True)


def of_environment(variables: Mapping[str, str]) -> Iterator[Finding]:
    """Return what is different with the variables that MLServer would read."""
    for variable in sorted(name for name in variables if name.upper().startswith(_PREFIX)):
        name = variable.upper()
        is_of_model = name.startswith(_MODEL_PREFIX)
        known = MODEL_SETTINGS if is_of_model else SERVER_SETTINGS
        setting = known.get(name.removeprefix(_MODEL_PREFIX if is_of_model else _PREFIX).lower())
        if name in OTHER_VARIABLES:
            yield Finding(f"{variable}: {OTHER_VARIABLES[name]}")
        elif setting is not None and setting.difference:
            yield Finding(f"{variable}: {setting.difference}")
        else:
            yield Finding(
                f"{variable}: better called {'MLCORE_' + name.removeprefix(_PREFIX)}, which wins over the file"
            )


def _differences(values: Mapping[str, Any], known: Mapping[str, Setting]) -> Iterator[Finding]:
    for name in values:
        setting = known.get(name)
        if setting is not None and (difference := _DEFAULT.sub("", setting.difference)) and name not in _GAINS:
            yield Finding(f"{name}: {difference}")


def _mistakes(error: SettingsError, place: str) -> Iterator[Finding]:
    for line in str(error).splitlines():
        yield Finding(line.removeprefix(f"{place}: ").removeprefix(": "), needs_change=True)


def _implementation(settings: Any, root: Path, plugins: Plugins) -> str:
    """Return what is wrong with a model's implementation; the code itself is looked at as code."""
    told = "" if settings.implementation in plugins.runtimes else advice(settings.implementation)
    if told:
        return f"implementation: '{settings.implementation}': {told}"
    try:
        plan = make_plan(settings, plugins, root)
    except MLCoreError as error:
        return f"implementation: {error}"
    target = plan.target
    if target is None or target.file is not None or target.given is not None:
        return plan.problem
    top = target.module.partition(".")[0]
    if find_spec(top) is None:
        return f"implementation: '{settings.implementation}': there is no module '{top}', neither here nor installed"
    return ""
