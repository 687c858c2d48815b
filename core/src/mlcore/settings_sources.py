"""Where settings come from: options, environment, `.env`, file, default, in this order.

Everything that is wrong is said at once, each with its place and, for an unknown name, the nearest known one.
"""

from __future__ import annotations

import difflib
import json
import os
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from pydantic_settings import SettingsError as _SourceError

from mlcore.errors import SettingsError
from mlcore.settings import ModelParameters, ModelSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

S = TypeVar("S", bound=BaseSettings)

SETTINGS_FILE = "settings.json"
MODEL_SETTINGS_FILE = "model-settings.json"
_LARGEST_FILE = 1 << 20


def read_settings(folder: Path | None = None, options: Mapping[str, Any] | None = None) -> Settings:
    """Read the server's settings.

    Args:
        folder: Where a `settings.json` may be.
        options: Values from the command line or from Python; they win over everything.

    Raises:
        SettingsError: A source is wrong; the message names every mistake.
    """
    file = folder / SETTINGS_FILE if folder is not None else None
    data = _read_json(file, str(file)) if file is not None and file.is_file() else {}
    _refuse_unknown_variables("MLCORE_", Settings, exempt="MLCORE_MODEL_")
    return _settings_of(Settings, dict(options or {}), data, str(file or "settings"))


def read_model_settings(file: Path, shown: str = "") -> ModelSettings:
    """Read one `model-settings.json`; its folder names the model that has no name.

    Args:
        file: The file.
        shown: How messages call it; its whole path if empty.

    Raises:
        SettingsError: The file or a variable is wrong; the message names every mistake.
    """
    place = shown or str(file)
    data = _read_json(file, place)
    _refuse_unknown_variables("MLCORE_MODEL_", ModelSettings, ModelParameters)
    given = data.pop("parameters", None)
    if given is not None and not isinstance(given, dict):
        raise SettingsError(f"{place}: parameters: expected an object, got {json.dumps(given)[:64]}")
    try:
        parameters = _settings_of(ModelParameters, {}, given or {}, place, "parameters.")
    except SettingsError as error:
        # The other mistakes of the file are said as well.
        try:
            _settings_of(ModelSettings, {}, data, place)
        except SettingsError as more:
            raise SettingsError(f"{more}\n{error}") from None
        raise
    return _settings_of(ModelSettings, {"parameters": parameters}, data, place).located(file.parent)


def _settings_of(kind: type[S], options: dict[str, Any], data: dict[str, Any], place: str, prefix: str = "") -> S:
    class Sourced(kind):  # type: ignore[valid-type,misc]  # the sources are a method of the class in pydantic-settings
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, dotenv_settings, _FileSource(settings_cls, data)

    try:
        sourced = Sourced(_env_file=".env" if kind is Settings else None, **options)
    except ValidationError as error:
        raise SettingsError("\n".join(f"{place}: {text}" for text in _mistakes(error, kind, prefix))) from None
    except _SourceError as error:
        raise SettingsError(
            f"an environment variable is wrong: {error}; lists and objects are written as JSON"
        ) from None
    values: dict[str, Any] = {name: getattr(sourced, name) for name in kind.model_fields}
    settings: S = kind.model_construct(**values)  # type: ignore[assignment]  # typed by its base in pydantic
    return settings


class _FileSource(PydanticBaseSettingsSource):
    """What the file says."""

    def __init__(self, settings_cls: type[BaseSettings], data: dict[str, Any]) -> None:
        super().__init__(settings_cls)
        self._data = data

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return self._data.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._data


def _read_json(file: Path, place: str) -> dict[str, Any]:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise SettingsError(f"{place}: larger than {_LARGEST_FILE} bytes")
        data = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{place}: line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}"
        ) from None
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, SettingsError):
            raise
        why = getattr(error, "strerror", None) or error
        raise SettingsError(f"{place}: cannot be read: {why}") from None
    if not isinstance(data, dict):
        raise SettingsError(f"{place}: expected a JSON object, got {json.dumps(data)[:64]}")
    return data


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        name = next(name for index, (name, _) in enumerate(pairs) if name in dict(pairs[:index]))
        raise ValueError(f"'{name}' stands there twice")
    return seen


def _refuse_unknown_variables(prefix: str, *kinds: type[BaseSettings], exempt: str | None = None) -> None:
    known = {name.upper() for kind in kinds for name in kind.model_fields}
    of_the_server = {f"MLCORE_{name.upper()}" for name in Settings.model_fields}
    for variable in sorted(os.environ):
        name = variable.upper()
        if name.startswith(prefix) and not (exempt and name.startswith(exempt)):
            short = name.removeprefix(prefix)
            if short not in known and name not in of_the_server:  # MLCORE_MODEL_REPOSITORY_ROOT has both prefixes
                raise SettingsError(f"environment variable {variable}: unknown setting{_nearest(short, known)}")


def _mistakes(error: ValidationError, kind: type[BaseModel], prefix: str) -> list[str]:
    texts = []
    for mistake in error.errors():
        place = prefix + ".".join(str(part) for part in mistake["loc"])
        if mistake["type"] == "extra_forbidden":
            hint = _nearest(str(mistake["loc"][-1]), _names_at(kind, mistake["loc"][:-1]))
            if kind is ModelParameters and not hint:
                hint = "; settings of the runtime go into parameters.extra"
            texts.append(f"{place}: unknown setting{hint}")
        else:
            text = mistake["msg"].removeprefix("Value error, ")
            came = "" if mistake["type"] in ("missing", "value_error") else f", got {str(mistake['input'])[:64]!r}"
            texts.append(f"{place}: {text}{came}" if place else text)
    return texts


def _names_at(kind: type[BaseModel], path: tuple[Any, ...]) -> set[str]:
    """Return the names that are known where `path` leads, as far as the models say."""
    model: Any = kind
    for part in path:
        field = getattr(model, "model_fields", {}).get(part) if isinstance(part, str) else None
        if field is not None:
            models = [
                kind
                for kind in (field.annotation, *getattr(field.annotation, "__args__", ()))
                if isinstance(kind, type) and issubclass(kind, BaseModel)
            ]
            model = models[0] if models else model
    return set(getattr(model, "model_fields", {}))


def _nearest(name: str, known: set[str]) -> str:
    lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return f"; did you mean '{lower[close[0]]}'?" if close else ""
