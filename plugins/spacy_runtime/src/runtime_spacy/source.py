"""Where a spaCy pipeline comes from: an installed package, a folder, or a blank one with components of the settings.

This is the one module that imports spaCy; it is itself imported when a model is loaded.
"""

from __future__ import annotations

import re
import threading
import warnings
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import spacy
from mlcore.artefacts import artefact_place
from mlcore.errors import ModelLoadError
from mlcore.logs import get_logger
from spacy.util import is_package, load_config, registry

from runtime_spacy.options import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlcore.settings import ModelSettings
    from spacy.language import Language

    from runtime_spacy.options import Options

BLANK = "blank:"

log = get_logger("mlcore.spacy")
_filters = threading.Lock()  # the filters of warnings belong to the process


def load_pipeline(settings: ModelSettings, options: Options) -> Language:
    """Load the pipeline that `parameters.uri` names, with the components that the settings choose.

    Raises:
        ModelLoadError: There is no such pipeline or component, or spaCy cannot load it.
    """
    uri = settings.parameters.uri
    if uri is not None and uri.startswith(BLANK):
        nlp = _blank(uri.removeprefix(BLANK))
        components: list[str] = []
    else:
        place = _place(settings)
        nlp = _loaded(place, options.exclude)
        components = load_config(nlp.path / "config.cfg")["nlp"]["pipeline"]
    for setting in ("enable", "disable", "exclude"):
        _check_names(setting, getattr(options, setting) or (), components)
    _switch(nlp, options)
    for factory, config in options.add_pipes.items():
        _add(nlp, factory, dict(config))
    nlp.max_length = max(nlp.max_length, options.max_characters or 0)
    return nlp


def versions_of(nlp: Language) -> list[str]:
    """Return the versions of spaCy and of an installed or stored pipeline, for the metadata."""
    versions = [f"spacy/{version('spacy')}"]
    if nlp.path is not None:
        versions.append(f"{nlp.meta['lang']}_{nlp.meta['name']}/{nlp.meta['version']}")
    return versions


@contextmanager
def logged_warnings(model: str) -> Iterator[None]:
    """Turn each warning of spaCy in this context into one log line, and do not show it again later.

    Args:
        model: The model's name, for the log.
    """
    with _filters, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(each.message) for each in caught if issubclass(each.category, UserWarning)):
        log.warning("spaCy warns", model=model, warning=" ".join(text.split()))
        warnings.filterwarnings("ignore", message=re.escape(text))


def _place(settings: ModelSettings) -> str | Path:
    """Return the name of the installed package, or the path."""
    uri = settings.parameters.uri
    folder = settings.folder or Path()
    if uri is None:
        if (folder / "config.cfg").is_file():
            return folder
        raise ModelLoadError(
            "parameters.uri: missing; name an installed pipeline ('en_core_web_md'), a folder with one, or 'blank:en'"
        )
    path = artefact_place(settings)
    if Path(uri).name == uri and is_package(uri):
        if path.is_dir():
            raise ModelLoadError(
                f"parameters.uri: '{uri}' is both an installed pipeline and a folder; write './{uri}' for the folder, "
                "or give the folder another name"
            )
        return uri
    if (path / "config.cfg").is_file():
        return path
    if path.exists():
        raise ModelLoadError(f"parameters.uri: '{uri}' has no config.cfg; give the folder that nlp.to_disk() wrote")
    if Path(uri).name != uri:
        raise ModelLoadError(f"parameters.uri: there is no folder '{uri}' (relative to the model's folder)")
    raise ModelLoadError(
        f"parameters.uri: no pipeline '{uri}' is installed, and the model's folder has no folder of that name; "
        f"get it with 'python -m spacy download {uri}', or give a path"
    )


def _blank(language: str) -> Language:
    try:
        return spacy.blank(language)
    except ImportError as error:
        raise ModelLoadError(f"parameters.uri: spaCy has no language '{language}': {_line(error)}") from error


def _loaded(place: str | Path, exclude: list[str]) -> Language:
    try:
        return spacy.load(place, exclude=exclude)
    except Exception as error:  # a stored pipeline may fail in any way
        raise ModelLoadError(f"parameters.uri: spaCy cannot load the pipeline: {_line(error)}") from error


def _switch(nlp: Language, options: Options) -> None:
    """Switch components on and off; spacy.load cannot switch on what the pipeline itself leaves off."""
    on, off = options.enable, options.disable
    both = [name for name in off if on is not None and name in on]
    if both:
        raise ModelLoadError(f"parameters.extra.enable: '{both[0]}' is also in disable; choose one of them")
    for name in nlp.component_names:
        if name in off or (on is not None and name not in on):
            nlp.disable_pipe(name)
        elif on is not None:
            nlp.enable_pipe(name)


def _check_names(setting: str, names: Iterable[str], components: list[str]) -> None:
    for name in names:
        if name not in components:
            raise ModelLoadError(
                f"parameters.extra.{setting}: the pipeline has no component '{name}'; {nearest(name, components)}"
            )


def _add(nlp: Language, factory: str, config: dict[str, Any]) -> None:
    field = f"parameters.extra.add_pipes.{factory}"
    if not nlp.has_factory(factory):
        known = sorted(registry.factories.get_all())
        raise ModelLoadError(f"{field}: spaCy has no such component; {nearest(factory, known)}")
    patterns = config.pop("patterns", None)
    place = {word: config.pop(word) for word in ("before", "after") if word in config}
    for word, name in place.items():
        _check_names(f"add_pipes.{factory}.{word}", [name], list(nlp.pipe_names))
    try:
        pipe: Any = nlp.add_pipe(factory, config=config, **place)
        if patterns is not None:
            pipe.add_patterns(patterns)
    except AttributeError as error:
        raise ModelLoadError(f"{field}.patterns: this component takes no patterns") from error
    except Exception as error:  # factories and rulers check in their own ways
        raise ModelLoadError(f"{field}: {type(error).__name__}: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
