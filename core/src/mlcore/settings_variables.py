"""The settings that stand in variables: of the environment, and of `.env` in the working directory.

Those of MLServer, `MLSERVER_...`, are read as well, with the rank that they have there: they fill in what a file lacks.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource

from mlcore.errors import SettingsError
from mlcore.mlserver_settings import (
    MODEL_PARAMETERS,
    MODEL_SETTINGS,
    OTHER_VARIABLES,
    SERVER_SETTINGS,
    why_useless,
)
from mlcore.near import nearest, show
from mlcore.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PREFIX = "MLCORE_"
_MODEL_PREFIX = "MLCORE_MODEL_"
_THEIR_PREFIX = "MLSERVER_"

# What Kubernetes sets in every container for each service, one that is called `mlcore` or `mlserver` among them.
_OF_A_SERVICE = re.compile(r"\w+_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_LINK = re.compile(r"(tcp|udp|sctp)://")


class Source(NamedTuple):
    """Settings of one origin.

    Attributes:
        values: The settings.
        called: Turns the name of a setting, `a.b`, into how a message calls it.
    """

    values: dict[str, Any]
    called: Callable[[str], str]


class _Origin(NamedTuple):
    """Variables of one place with one prefix: what messages put before them, and their values by mlcore's names."""

    place: str
    prefix: str
    values: dict[str, str]


class Variables:
    """The variables of mlcore and those of MLServer, as they are when this is made.

    Attributes:
        of_models: Those that apply to every model, with their values; all of them have the names of mlcore here.
        notice: What is to be said of those of MLServer, in one line; empty if there are none.

    Raises:
        SettingsError: The file `.env` cannot be read.
    """

    def __init__(self) -> None:
        try:
            lines = DotEnvSettingsSource(Settings, env_file=".env", env_file_encoding="utf-8").env_vars
        except (OSError, ValueError) as error:
            raise SettingsError(f".env: cannot be read: {error}") from None
        places: dict[str, Mapping[str, str | None]] = {"environment variable ": os.environ, ".env: ": lines}
        self._origins = [_Origin(place, _PREFIX, _with_prefix(_PREFIX, found)) for place, found in places.items()]
        theirs = [(place, _with_prefix(_THEIR_PREFIX, found)) for place, found in places.items()]
        self._of_mlserver = [_Origin(place, _THEIR_PREFIX, _understood(found)) for place, found in theirs]
        self.of_models = tuple(
            (origin.prefix, *item)
            for origin in (*self._origins, *self._of_mlserver)
            for item in origin.values.items()
            if _is_of_model(item[0])
        )
        self.notice = _notice({name for _, found in theirs for name in found})
        self._sources: dict[tuple[type[BaseSettings], str], list[Source]] = {}

    def sources(self, kind: type[BaseSettings]) -> list[Source]:
        """Return what the environment says of a kind of settings, then what `.env` says.

        Raises:
            SettingsError: A list or an object is not written as JSON.
        """
        return self._read(kind, self._origins)

    def sources_of_mlserver(self, kind: type[BaseSettings]) -> list[Source]:
        """Return the same of the variables of MLServer.

        Raises:
            SettingsError: A list or an object is not written as JSON.
        """
        return self._read(kind, self._of_mlserver)

    def _read(self, kind: type[BaseSettings], origins: list[_Origin]) -> list[Source]:
        key = (kind, origins[0].prefix)
        if key not in self._sources:
            self._sources[key] = [_source(kind, origin) for origin in origins]
        return [Source(dict(source.values), source.called) for source in self._sources[key]]

    def describe_a_model(self) -> bool:
        """Say whether the variables alone may describe a model."""
        return any(name == f"{_MODEL_PREFIX}IMPLEMENTATION" for _, name, _ in self.of_models)

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
            f"{origin.place}{name}: unknown setting{_hint(name, known, prefix)}"
            for origin in self._origins
            for name in sorted(origin.values)
            if name not in known and _is_of_model(name) == (prefix == _MODEL_PREFIX)
        ]
        if unknown:
            raise SettingsError("\n".join(unknown))


def _hint(name: str, known: set[str], prefix: str) -> str:
    useless = why_useless(name.removeprefix(prefix).lower())
    return f". {useless}" if useless else nearest(name, known, prefix)


def _with_prefix(prefix: str, variables: Mapping[str, str | None]) -> dict[str, str]:
    """Return the variables that begin with a prefix, under their names in upper case."""
    return {
        name.upper(): value or ""
        for name, value in variables.items()
        if name.upper().startswith(prefix) and not _is_of_a_service(name.upper(), value or "")
    }


def _is_of_a_service(name: str, value: str) -> bool:
    return bool(_OF_A_SERVICE.fullmatch(name) or (name.endswith("_PORT") and _LINK.match(value)))


def _understood(theirs: dict[str, str]) -> dict[str, str]:
    """Return those of MLServer's variables that are settings of mlcore, under the names that they have here."""
    ours = {_our_name(name): value for name, value in theirs.items()}
    return {name: value for name, value in ours.items() if name in _READ}


def _our_name(name: str) -> str:
    return _PREFIX + name.removeprefix(_THEIR_PREFIX)


def _notice(theirs: set[str]) -> str:
    """Say in one line which variables of MLServer are read, what they are called here, and which are not read."""
    theirs = {name for name in theirs if not name.startswith(f"{_THEIR_PREFIX}INFER_")}  # those of its client
    parts = []
    if read := sorted(name for name in theirs if _our_name(name) in _READ):
        names = ", ".join(f"{name} as {_our_name(name)}" for name in read)
        parts.append(f"variables of MLServer are read, for what no file says: {names}; the new names win over files")
    if not_read := sorted(name for name in theirs if _our_name(name) not in _READ):
        told = (f"{name} ({OTHER_VARIABLES[name]})" if name in OTHER_VARIABLES else name for name in not_read)
        parts.append(f"variables that have no use here: {', '.join(told)}")
    return "; ".join(parts)


def _source(kind: type[BaseSettings], origin: _Origin) -> Source:
    prefix = kind.model_config["env_prefix"]
    shown = origin.place + prefix.replace(_PREFIX, origin.prefix)

    def called(name: str) -> str:
        top, _, rest = name.partition(".")
        return f"{shown}{top.upper()}" + (f": {rest}" if rest else "")

    reader = EnvSettingsSource(kind)
    reader.env_vars = {name.lower(): value for name, value in origin.values.items()}
    values = {}
    for name, field in kind.model_fields.items():
        text, _, is_complex = reader.get_field_value(field, name)
        if text is not None:
            try:
                values[name] = reader.prepare_field_value(name, field, text, is_complex)
            except ValueError:
                raise SettingsError(
                    f'{called(name)}: expected JSON, such as ["a", "b"] or {{"a": 1}}, '
                    f"got {'a secret' if not field.repr else show(text)}"
                ) from None
    return Source(values, called)


def _names(kind: type[BaseSettings]) -> set[str]:
    return {f"{kind.model_config['env_prefix']}{name.upper()}" for name in kind.model_fields}


_OF_SERVER = _names(Settings)


def _is_of_model(name: str) -> bool:
    return name.startswith(_MODEL_PREFIX) and name not in _OF_SERVER


# The names that variables of MLServer have here, where there is such a setting.
_READ = {
    f"{prefix}{name.upper()}"
    for prefix, table in ((_PREFIX, SERVER_SETTINGS), (_MODEL_PREFIX, {**MODEL_SETTINGS, **MODEL_PARAMETERS}))
    for name, setting in table.items()
    if not setting.is_useless
}
