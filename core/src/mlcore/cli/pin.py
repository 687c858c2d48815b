"""`mlcore pin`: write into each `model-settings.json` the digest of what its model is loaded from."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mlcore.repository import RepositoryEntry
    from mlcore.settings import Settings


class _Outcome(NamedTuple):
    """What became of a model: a word for the summary, the line that says it, and whether that is a failure."""

    word: str
    line: str = ""
    is_failure: bool = False


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=".", help="the folder that is served (default: here)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a digest is not right")


def _run(given: Namespace) -> int:
    from mlcore.errors import SettingsError
    from mlcore.plugins import Plugins
    from mlcore.registry import called
    from mlcore.repository.folder_repository import FolderRepository
    from mlcore.settings_sources import read_settings

    folder = Path(given.folder).absolute()
    if not folder.is_dir():
        raise SettingsError(f"'{given.folder}' is not a folder")
    settings = read_settings(folder)
    entries = FolderRepository(folder, Plugins(settings.plugins).runtimes).entries()
    if not entries:
        raise SettingsError(f"'{given.folder}': no model-settings.json here or below")
    outcomes = []
    for entry in entries:
        outcome = _pin(entry, settings, folder, given.check)
        outcomes.append(outcome)
        if outcome.line:
            sys.stdout.write(f"{called((entry.name, entry.version))}: {outcome.line}\n")
    words = [outcome.word for outcome in outcomes]
    sys.stdout.write(f"{', '.join(f'{words.count(word)} {word}' for word in dict.fromkeys(words))}\n")
    return 1 if any(outcome.is_failure for outcome in outcomes) else 0


def _pin(entry: RepositoryEntry, server: Settings, root: Path, is_check: bool) -> _Outcome:
    from mlcore.artefacts import artefact_place, names_a_path
    from mlcore.digest import digest_of
    from mlcore.errors import ModelLoadError
    from mlcore.settings_sources import MODEL_SETTINGS_FILE
    from mlcore.trust import trust_of

    if entry.settings is None or entry.folder is None:
        return _Outcome("wrong", entry.problem, is_failure=True)
    settings = entry.settings.trusting(trust_of(server, root))
    file = entry.folder / MODEL_SETTINGS_FILE
    if not file.is_file():
        return _Outcome("wrong", f"there is no {MODEL_SETTINGS_FILE} for its digest; make one", is_failure=True)
    uri, known = settings.parameters.uri, settings.parameters.digest
    try:
        if known is None and uri is not None and not names_a_path(uri) and not (entry.folder / uri).exists():
            return _Outcome("not pinned", f"'{uri.partition('://')[0]}' is no file or folder here, so it has no digest")
        digest = digest_of(artefact_place(settings))
    except ModelLoadError as error:
        return _Outcome("wrong", str(error), is_failure=True)
    if digest == known:
        return _Outcome("right")
    line = f"parameters.digest: {known or 'none'}; now it is {digest}"
    if is_check:
        return _Outcome("different", line, is_failure=True)
    _write(file.resolve(), digest)
    return _Outcome("pinned", line)


def _write(file: Path, digest: str) -> None:
    """Write a digest into a settings file, whose other text stays as it is; a reader sees the old or the new file."""
    from mlcore.json_edit import with_text

    text = with_text(file.read_bytes().decode(), ("parameters", "digest"), digest)
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with open(descriptor, "wb") as made:
            made.write(text.encode())
        os.chmod(name, file.stat().st_mode)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise


PIN = Command("pin", "Write the digest of each model's files into its settings.", _configure, _run)
