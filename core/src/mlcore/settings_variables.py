"""The settings that stand in variables: of the environment, and of `.env` in the working directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource

from mlcore.errors import SettingsError
from mlcore.near import nearest, show
from mlcore.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIX = "MLCORE_"
_MODEL_PREFIX = "MLCORE_MODEL_"


class Source(NamedTuple):
    """Settings of one origin.

    Attributes:
        values: The settings.
        called: Turns the name of a setting, `a.b`, into how a message calls it.
    """

    values: dict[str, Any]
    called: Callable[[str], str]


def model_variables() -> tuple[tuple[str, str], ...]:
    """Return the variables that apply to every model, from the environment and from `.env`."""
    return tuple((name, value) for variables in _variables() for name, value in variables.items() if _is_of_model(name))


def _variables() -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables of the environment, and those of `.env`, by their names in upper case."""
    try:
        lines = DotEnvSettingsSource(Settings, env_file=".env", env_file_encoding="utf-8").env_vars
    except (OSError, ValueError) as error:
        raise SettingsError(f".env: cannot be read: {error}") from None
    return (
        {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(_PREFIX)},
        {name.upper(): value or "" for name, value in lines.items() if name.upper().startswith(_PREFIX)},
    )


def variables_of(kind: type[BaseSettings]) -> list[Source]:
    """Return what the environment says of a kind of settings, then what `.env` says.

    Raises:
        SettingsError: A list or an object is not written as JSON.
    """
    prefix = kind.model_config["env_prefix"]
    sources = []
    for label, variables in zip(("environment variable ", ".env: "), _variables(), strict=True):
        called = _as_variable(label, prefix)
        reader = EnvSettingsSource(kind)
        reader.env_vars = {name.lower(): value for name, value in variables.items()}
        values = {}
        for name, field in kind.model_fields.items():
            text, _, is_complex = reader.get_field_value(field, name)
            if text is not None:
                try:
                    values[name] = reader.prepare_field_value(name, field, text, is_complex)
                except ValueError:
                    raise SettingsError(
                        f'{called(name)}: expected JSON, such as ["a", "b"] or {{"a": 1}}, got {show(text)}'
                    ) from None
        sources.append(Source(values, called))
    return sources


def _as_variable(label: str, prefix: str) -> Callable[[str], str]:
    def called(name: str) -> str:
        top, _, rest = name.partition(".")
        return f"{label}{prefix}{top.upper()}" + (f": {rest}" if rest else "")

    return called


def refuse_unknown(*kinds: type[BaseSettings]) -> None:
    """Refuse variables that nobody knows.

    Args:
        kinds: The settings, of a server or of a model, that the variables may be for.

    Raises:
        SettingsError: There are such variables; the message names each.
    """
    prefix = kinds[0].model_config["env_prefix"]
    known = {name for kind in kinds for name in _names(kind)}
    environment, lines = _variables()
    unknown = [
        f"{label}{name}: unknown setting{nearest(name, known, prefix)}"
        for label, variables in (("environment variable ", environment), (".env: ", lines))
        for name in sorted(variables)
        if name not in known and _is_of_model(name) == (prefix == _MODEL_PREFIX)
    ]
    if unknown:
        raise SettingsError("\n".join(unknown))


def _names(kind: type[BaseSettings]) -> set[str]:
    return {f"{kind.model_config['env_prefix']}{name.upper()}" for name in kind.model_fields}


_OF_SERVER = _names(Settings)


def _is_of_model(name: str) -> bool:
    return name.startswith(_MODEL_PREFIX) and name not in _OF_SERVER
