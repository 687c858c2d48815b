"""The setting `logging_settings`: a user's own set-up of Python's logging, an object or a file, as in MLServer."""

from __future__ import annotations

import logging.config
from pathlib import Path
from typing import Any

from mlcore.errors import SettingsError
from mlcore.settings_file import read_json

_NAME = "logging_settings"

# What MLServer calls the logger that all its others are below, and what that is here.
_THEIRS, _OURS = "mlserver", "mlcore"


def apply_logging_settings(given: dict[str, Any] | str) -> None:
    """Set up logging as a user wants it.

    What is said of MLServer's loggers counts for those of mlcore too, unless these are named themselves. Loggers that
    nothing is said of stay as they are.

    Args:
        given: An object for `logging.config.dictConfig`, or the path of a file, from the working directory.

    Raises:
        SettingsError: The file cannot be read, or the set-up is wrong.
    """
    found = read_logging_settings(given)
    try:
        if isinstance(found, str):
            logging.config.fileConfig(found, disable_existing_loggers=False)
        else:
            logging.config.dictConfig(_complete(found))
    except Exception as error:  # what a set-up calls may raise anything
        why = f"{error}: {error.__cause__}" if error.__cause__ is not None else str(error)
        raise SettingsError(f"{_NAME}: logging cannot be set up so: {why}") from error


def read_logging_settings(given: dict[str, Any] | str) -> dict[str, Any] | str:
    """Return the object for `dictConfig`, or the path of a file for `fileConfig`. Nothing is set up.

    Raises:
        SettingsError: There is no such file, or it ends with `.json` and is none.
    """
    if isinstance(given, dict):
        return given
    if Path(given).suffix == ".json":
        return read_json(Path(given), f"{_NAME}: {given}")
    if not Path(given).is_file():
        raise SettingsError(f"{_NAME}: {given}: there is no such file")
    return given


def _complete(given: dict[str, Any]) -> dict[str, Any]:
    loggers = given.get("loggers")
    if isinstance(loggers, dict):
        ours = {
            _OURS + name.removeprefix(_THEIRS): logger
            for name, logger in loggers.items()
            if f"{name}.".startswith(f"{_THEIRS}.")
        }
        given = {**given, "loggers": {**ours, **loggers}}
    return {"version": 1, "disable_existing_loggers": False, **given}
