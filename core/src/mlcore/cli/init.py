"""`mlcore init`: a model folder, or a plugin, from a template."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable


class _Template(NamedTuple):
    """What a template makes, and what its user does next."""

    makes: str
    next: str


_TEMPLATES = {
    "custom": _Template("a model with a class of your own", "mlcore serve {folder}"),
    "spacy": _Template("a spaCy pipeline, without code; needs runtime-spacy", "mlcore serve {folder}"),
    "sklearn": _Template(
        "a scikit-learn model, without code; needs runtime-sklearn",
        "(cd {folder} && python train.py), or put your model.joblib there; mlcore serve {folder}",
    ),
    "plugin": _Template(
        "a distribution with a runtime of your own, for many models",
        "pip install -e {folder} && mlcore serve {folder}/example",
    ),
}


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", default=".", help="the folder to make; its name is the model's (default: here)"
    )
    parser.add_argument(
        "-t", "--template", default="custom", help="what to make; --list names them (default: custom, your own class)"
    )
    parser.add_argument("--list", action="store_true", help="name the templates, and do nothing else")


def _run(given: Namespace) -> int:
    from mlcore.errors import SettingsError
    from mlcore.near import nearest
    from mlcore.settings import name_of

    if given.list:
        width = max(map(len, _TEMPLATES))
        sys.stdout.write("".join(f"{name:<{width}}  {template.makes}\n" for name, template in _TEMPLATES.items()))
        return 0
    if given.template not in _TEMPLATES:
        hint = nearest(given.template, set(_TEMPLATES)) or f"; there are {', '.join(_TEMPLATES)}"
        if "/" in given.template:
            hint += ". For a template in a repository, run cookiecutter with its address"
        raise SettingsError(f"no template is called '{given.template}'{hint}")
    folder = Path(given.folder)
    try:
        name = name_of(folder)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if '"' in name:
        raise SettingsError(f"'{given.folder}': a quote in the folder's name; choose another")
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"'{given.folder}' is a file; choose another name")
    words = {"name": name, **(_words_of_plugin(name) if given.template == "plugin" else {})}
    made = {
        _filled(path, words): _filled(file.read_text(encoding="utf-8"), words)
        for path, file in _walk(files("mlcore.cli") / "templates" / given.template)
    }
    present = [file for file in made if (folder / file).exists()]
    if present:
        raise SettingsError(f"{folder}: has {', '.join(sorted(present))} already; nothing was written")
    for file, text in sorted(made.items()):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {folder / file}\n")
    what = _TEMPLATES[given.template].next.format(folder=given.folder)
    sys.stdout.write(f"next: {what}, then see {folder / 'README.md'}\n")
    return 0


def _words_of_plugin(name: str) -> dict[str, str]:
    """Return the names of a plugin in Python: of its distribution, its package, its runtime and its class.

    Raises:
        SettingsError: They cannot be made of this name.
    """
    from mlcore.errors import SettingsError

    parts = [part for part in name.lower().replace("_", "-").split("-") if part]
    parts = parts[1:] if parts[:1] == ["runtime"] else parts
    if not parts or not all(part.isascii() and part.isalnum() for part in parts) or parts[0][0].isdigit():
        raise SettingsError(f"'{name}' is no name for a plugin; choose one of letters and digits, such as runtime-mine")
    return {
        "distribution": f"runtime-{'-'.join(parts)}",
        "package": f"runtime_{'_'.join(parts)}",
        "runtime": "-".join(parts),
        "class": "".join(map(str.capitalize, parts)),
    }


def _walk(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    """Go through the files of a template, each with its path without the ending that keeps tools away from it."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{above}{entry.name}/")
        else:
            yield above + entry.name.removesuffix(".in"), entry


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(f"{{{{{word}}}}}", value)
    return text


INIT = Command("init", "Make a model folder, or a plugin, from a template.", _configure, _run)
