"""The settings that stand in variables: of the environment, and of `.env` in the working directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource

from mlcore.errors import SettingsError
from mlcore.near import nearest, show
from mlcore.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


class Variables:
    """The variables of mlcore, as they are when this is made.

    Attributes:
        of_models: Those that apply to every model, with their values.

    Raises:
        SettingsError: The file `.env` cannot be read.
    """

    def __init__(self) -> None:
        try:
            lines = DotEnvSettingsSource(Settings, env_file=".env", env_file_encoding="utf-8").env_vars
        except (OSError, ValueError) as error:
            raise SettingsError(f".env: cannot be read: {error}") from None
        self._origins: dict[str, dict[str, str]] = {
            "environment variable ": _ours(os.environ),
            ".env: ": _ours(lines),
        }
        self.of_models = tuple(
            item for variables in self._origins.values() for item in variables.items() if _is_of_model(item[0])
        )
        self._sources: dict[type[BaseSettings], list[Source]] = {}

    def sources(self, kind: type[BaseSettings]) -> list[Source]:
        """Return what the environment says of a kind of settings, then what `.env` says.

        Raises:
            SettingsError: A list or an object is not written as JSON.
        """
        if kind not in self._sources:
            self._sources[kind] = [_source(kind, origin, variables) for origin, variables in self._origins.items()]
        return [Source(dict(source.values), source.called) for source in self._sources[kind]]

    def refuse_unknown(self, *kinds: type[BaseSettings]) -> None:
        """Refuse variables that nobody knows.

        Args:
            kinds: The settings, of a server or of a model, that the variables may be for.

        Raises:
            SettingsError: There are such variables; the message names each.
        """
        prefix = kinds[0].model_config["env_prefix"]
        known = {name for kind in kinds for name in _names(kind)}
        unknown = [
            f"{origin}{name}: unknown setting{nearest(name, known, prefix)}"
            for origin, variables in self._origins.items()
            for name in sorted(variables)
            if name not in known and _is_of_model(name) == (prefix == _MODEL_PREFIX)
        ]
        if unknown:
            raise SettingsError("\n".join(unknown))


def _ours(variables: Mapping[str, str | None]) -> dict[str, str]:
    return {name.upper(): value or "" for name, value in variables.items() if name.upper().startswith(_PREFIX)}


def _source(kind: type[BaseSettings], origin: str, variables: dict[str, str]) -> Source:
    prefix = kind.model_config["env_prefix"]

    def called(name: str) -> str:
        top, _, rest = name.partition(".")
        return f"{origin}{prefix}{top.upper()}" + (f": {rest}" if rest else "")

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
    return Source(values, called)


def _names(kind: type[BaseSettings]) -> set[str]:
    return {f"{kind.model_config['env_prefix']}{name.upper()}" for name in kind.model_fields}


_OF_SERVER = _names(Settings)


def _is_of_model(name: str) -> bool:
    return name.startswith(_MODEL_PREFIX) and name not in _OF_SERVER
