"""`mlcore init`: a model folder from a template."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_TEMPLATES = ("custom", "spacy", "sklearn")


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("folder", help="the folder to make; its name is the model's")
    parser.add_argument(
        "-t",
        "--template",
        choices=_TEMPLATES,
        default="custom",
        help="what kind of model (default: custom, your own class)",
    )


def _run(given: Namespace) -> int:
    from mlcore.errors import SettingsError
    from mlcore.settings import name_of

    folder = Path(given.folder)
    try:
        name = name_of(folder)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if '"' in name:
        raise SettingsError(f"'{given.folder}': a quote in the folder's name; choose another")
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"'{given.folder}' is a file; choose another name")
    template = files("mlcore.cli") / "templates" / given.template
    made = {file.name.removesuffix(".in"): file.read_text(encoding="utf-8") for file in template.iterdir()}
    present = [file for file in made if (folder / file).exists()]
    if present:
        raise SettingsError(f"{folder}: has {', '.join(sorted(present))} already; nothing was written")
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in sorted(made.items()):
        (folder / file).write_text(text.replace("{{name}}", name), encoding="utf-8")
        sys.stdout.write(f"wrote {folder / file}\n")
    sys.stdout.write(f"next: mlcore serve {given.folder}, then see {folder / 'README.md'}\n")
    return 0


INIT = Command("init", "Make a model folder from a template.", _configure, _run)
