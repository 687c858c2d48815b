"""`mlcore key`: make a key for a client, and what the settings have to say of it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="client", help="whose key it is (default: client)")
    parser.add_argument(
        "--scopes",
        nargs="+",
        default=["infer", "metadata"],
        metavar="SCOPE",
        help="what it opens: infer, infer:MODEL, metadata, repository, metrics, admin (default: infer metadata)",
    )


def _run(given: Namespace) -> int:
    from pydantic import ValidationError

    from mlcore.access.api_keys import new_key
    from mlcore.access.settings import ApiKeySettings
    from mlcore.errors import SettingsError

    key, digest = new_key()
    try:
        known = ApiKeySettings(name=given.name, sha256=digest, scopes=given.scopes)
    except ValidationError as error:
        mistake = error.errors()[0]
        raise SettingsError(f"{mistake['loc'][0]}: {mistake['msg'].removeprefix('Value error, ')}") from None
    line = json.dumps(known.model_dump(exclude_none=True))
    sys.stdout.write(
        f"The key, which is shown this once; give it to the client:\n\n  {key}\n\n"
        f"In settings.json, a line of auth.api_keys:\n\n  {line}\n"
    )
    return 0


KEY = Command("key", "Make a key for a client, and the line of the settings that lets it in.", _configure, _run)
