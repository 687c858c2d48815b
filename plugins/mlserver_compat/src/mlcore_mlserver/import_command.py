"""`mlcore import mlserver FOLDER`: say, file by file, what will be different from MLServer. It changes nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from mlcore.plugins import Plugins

    from mlcore_mlserver.finding import Finding

_LARGEST_FILE = 1 << 20


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("origin", choices=["mlserver"], help="the server that the folder was made for")
    parser.add_argument("folder", nargs="?", default=".", help="the folder that it serves (default: here)")


def _run(given: Namespace) -> int:
    from mlcore.errors import SettingsError
    from mlcore.plugins import Plugins

    folder = Path(given.folder).absolute()
    if not folder.is_dir():
        raise SettingsError(f"'{given.folder}' is not a folder")
    files = changes = differences = 0
    for shown, findings in _reports(folder, Plugins()):
        files += 1
        if not findings:
            continue
        needs_change = any(finding.needs_change for finding in findings)
        changes += needs_change
        differences += not needs_change
        sys.stdout.write(f"{shown}\n")
        for finding in sorted(findings, key=lambda finding: (not finding.needs_change, finding.line)):
            word = "change" if finding.needs_change else "differs"
            where = f"line {finding.line}: " if finding.line else ""
            sys.stdout.write(f"  {word:<8} {where}{finding.text}\n")
    sys.stdout.write(
        f"{files} places looked at: {changes} need a change, {differences} behave differently, the others are as they "
        f"were\n{'next: change these, then' if changes else 'next:'} mlcore check {given.folder}\n"
    )
    return 1 if changes else 0


def _reports(folder: Path, plugins: Plugins) -> Iterator[tuple[str, list[Finding]]]:
    """Return each place with what was found there."""
    from mlcore.repository.folder_walk import FolderWalk

    from mlcore_mlserver import settings_findings
    from mlcore_mlserver.code_findings import of_code
    from mlcore_mlserver.install_findings import FILES, of_install

    yield "environment", list(settings_findings.of_environment(os.environ))
    yield "settings.json", list(settings_findings.of_server(folder))
    for place, files in FolderWalk(folder).under(folder):
        for name in sorted(files):
            file = place / name
            shown = str(file.relative_to(folder))
            if name == "model-settings.json":
                yield shown, list(settings_findings.of_model(file, folder, plugins))
            elif name.endswith(".py") and (text := _text_of(file)) is not None:
                yield shown, [*of_code(text), *(of_install(text) if name == "setup.py" else ())]
            elif FILES.fullmatch(name) and (text := _text_of(file)) is not None:
                yield shown, list(of_install(text))


def _text_of(file: Path) -> str | None:
    """Return the text of a file, or `None` where there is none to read."""
    try:
        return file.read_text("utf-8") if file.is_file() and file.stat().st_size <= _LARGEST_FILE else None
    except (OSError, UnicodeDecodeError):
        return None


IMPORT = Command("import", "Say what will be different for a folder that was made for MLServer.", _configure, _run)
