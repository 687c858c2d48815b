"""Where settings come from: options, environment, `.env`, file, MLServer's variables, default, in this order.

Everything that is wrong is said at once, each with the place where it stands and, for an unknown name, the nearest
known one.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings

from mlcore.errors import SettingsError
from mlcore.mlserver_settings import MODEL_SETTINGS, SERVER_SETTINGS, why_useless
from mlcore.near import nearest, show
from mlcore.settings import ModelParameters, ModelSettings, Settings, secrets_of
from mlcore.settings_file import read_json
from mlcore.settings_variables import Source, Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mlcore.mlserver_settings import Setting

S = TypeVar("S", bound=BaseSettings)

SETTINGS_FILE = "settings.json"
MODEL_SETTINGS_FILE = "model-settings.json"


def read_settings(folder: Path | None = None, options: Mapping[str, Any] | None = None) -> Settings:
    """Read the server's settings.

    Args:
        folder: Where a `settings.json` may be.
        options: Values from the command line or from Python; they win over everything.

    Raises:
        SettingsError: A source is wrong; the message names every mistake.
    """
    file = folder / SETTINGS_FILE if folder is not None else None
    values = read_json(file, str(file)) if file is not None and file.exists() else {}
    variables = Variables()
    variables.refuse_unknown(Settings)
    written = Source(values, lambda name: f"{file}: {name}")
    remarks = _without_useless(written, SERVER_SETTINGS)
    settings = _settings_of(
        Settings,
        [
            Source(dict(options or {}), lambda name: f"option {name}"),
            *variables.sources(Settings),
            written,
            *variables.sources_of_mlserver(Settings),
        ],
        written,
    )
    settings._remarks = ([variables.notice] if variables.notice else []) + remarks
    return settings


def read_model_settings(file: Path, shown: str = "", variables: Variables | None = None) -> ModelSettings:
    """Read one `model-settings.json`; its folder names the model that has no name.

    Args:
        file: The file.
        shown: How messages call it; its whole path if empty.
        variables: The variables; read now if absent.

    Raises:
        SettingsError: The file or a variable is wrong; the message names every mistake.
    """
    place = shown or str(file)
    return model_settings(read_json(file, place), file.parent, place, variables or Variables())


def model_settings(values: Mapping[str, Any], folder: Path, place: str, variables: Variables) -> ModelSettings:
    """Make a model's settings of what its file says and of the `MLCORE_MODEL_...` variables, which win.

    Args:
        values: What the file says.
        folder: The model's folder.
        place: How messages call the file.
        variables: The variables.

    Raises:
        SettingsError: Something is wrong; the message names every mistake.
    """
    variables.refuse_unknown(ModelSettings, ModelParameters)
    written = Source(dict(values), lambda name: f"{place}: {name}")
    remarks = _without_useless(written, MODEL_SETTINGS)
    sources = [*variables.sources(ModelSettings), written, *variables.sources_of_mlserver(ModelSettings)]
    single: list[Source | None] = [
        *variables.sources(ModelParameters),
        None,
        *variables.sources_of_mlserver(ModelParameters),
    ]
    parameters: list[Source] = []
    mistakes: list[str] = []
    for source, of_parameters in zip(sources, single, strict=True):
        given = source.values.pop("parameters", None)
        if of_parameters is not None:
            parameters.append(of_parameters)
        if isinstance(given, dict):
            parameters.append(Source(given, partial(_called_inside, source, "parameters")))
        elif given is not None:
            mistakes.append(f"{source.called('parameters')}: expected an object, got {show(given)}")
    try:
        sources.insert(0, Source({"parameters": _settings_of(ModelParameters, parameters, written)}, str))
    except SettingsError as error:
        mistakes.append(str(error))
    try:
        settings = _settings_of(ModelSettings, sources, written)
    except SettingsError as error:
        mistakes.insert(0, str(error))
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    settings._remarks = remarks
    try:
        return settings.located(folder)
    except ValueError as error:
        raise SettingsError(f"{place}: {error}") from None


def _without_useless(source: Source, known: Mapping[str, Setting]) -> list[str]:
    """Take the settings of MLServer that have no use here out of a source, and return why."""
    names = [name for name in source.values if name in known and known[name].is_useless]
    for name in names:
        del source.values[name]
    return [f"{source.called(name)} has no effect. {known[name].difference}" for name in names]


def _called_inside(source: Source, outer: str, name: str) -> str:
    return source.called(f"{outer}.{name}")


def _settings_of(kind: type[S], sources: list[Source], file: Source) -> S:
    values: dict[str, Any] = {}
    for source in reversed(sources):
        _merge(values, source.values)
    settings = kind.__new__(kind)
    try:
        BaseModel.__init__(settings, **values)  # that of the class would read the variables again
    except ValidationError as error:
        raise SettingsError("\n".join(_mistakes(error, kind, sources, file))) from None
    return settings


def _merge(values: dict[str, Any], others: dict[str, Any]) -> None:
    for name, value in others.items():
        if isinstance(value, dict):
            inner = values.get(name)
            values[name] = dict(inner) if isinstance(inner, dict) else {}
            _merge(values[name], value)
        else:
            values[name] = value


def _mistakes(error: ValidationError, kind: type[BaseModel], sources: list[Source], file: Source) -> Iterable[str]:
    for mistake in error.errors():
        path = mistake["loc"]
        if not path:  # of the settings as a whole, whose text names the setting; only the file can lack one
            yield file.called(mistake["msg"].removeprefix("Value error, "))
            continue
        source = max(sources, key=lambda source: _depth(source.values, path))
        name = source.called(".".join(map(str, path)))
        if mistake["type"] == "extra_forbidden":
            useless = why_useless(str(path[-1])) if len(path) == 1 else ""
            hint = f". {useless}" if useless else nearest(str(path[-1]), _names_at(kind, path[:-1]))
            if kind is ModelParameters and not hint:
                hint = "; settings of the runtime go into parameters.extra"
            yield f"{name}: unknown setting{hint}"
        elif mistake["type"] == "missing":
            yield f"{name}: missing"
        else:
            text = mistake["msg"].removeprefix("Value error, ").removeprefix("Input ")
            got = "a secret" if _is_secret(kind, path) else show(mistake["input"])
            yield f"{name}: {text}, got {got}"


def _is_secret(kind: type[BaseModel], path: tuple[Any, ...]) -> bool:
    return path[0] in secrets_of(kind)


def _depth(values: Any, path: Iterable[Any]) -> int:
    """Return how far a path leads in the values of a source."""
    depth = 0
    for part in path:
        try:
            values = values[part]
        except (LookupError, TypeError):
            break
        depth += 1
    return depth


def _names_at(kind: type[BaseModel], path: tuple[Any, ...]) -> set[str]:
    """Return the names that are known where `path` leads, as far as the models say."""
    model: Any = kind
    for part in path:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is not None:
            kinds = chain([field.annotation], getattr(field.annotation, "__args__", ()))
            model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), model)
    return set(model.model_fields)
