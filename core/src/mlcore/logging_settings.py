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
    try:
        if isinstance(given, str) and not _is_json(given):
            if not Path(given).is_file():
                raise SettingsError(f"{_NAME}: there is no file '{given}'")
            logging.config.fileConfig(given, disable_existing_loggers=False)
        else:
            logging.config.dictConfig(_complete(logging_object(given)))
    except SettingsError:
        raise
    except Exception as error:  # what a set-up calls may raise anything
        why = f"{error}: {error.__cause__}" if error.__cause__ is not None else str(error)
        raise SettingsError(f"{_NAME}: logging cannot be set up so: {why}") from error


def logging_object(given: dict[str, Any] | str) -> dict[str, Any]:
    """Return the object for `dictConfig`, of the settings themselves or of a `.json` file.

    Raises:
        SettingsError: The file cannot be read, or is no JSON object.
    """
    return given if isinstance(given, dict) else read_json(Path(given), f"{_NAME}: {given}")


def _is_json(path: str) -> bool:
    return Path(path).suffix == ".json"


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
