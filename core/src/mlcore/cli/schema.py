"""`mlcore schema`: the JSON schema of a settings file, for editors."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("file", choices=["settings", "model-settings"], help="which settings file")


def _run(given: Namespace) -> int:
    from mlcore.settings import ModelSettings, Settings

    kind = Settings if given.file == "settings" else ModelSettings
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **kind.model_json_schema()}
    if kind is ModelSettings:
        schema["required"] = ["implementation"]
    sys.stdout.write(json.dumps(schema, indent=2) + "\n")
    return 0


SCHEMA = Command("schema", "Print the JSON schema of settings.json or model-settings.json.", _configure, _run)
