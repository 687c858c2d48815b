"""A settings file as JSON, read with the suspicion that a file written by hand deserves."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

from mlcore.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_FILE = 1 << 20
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:]')


class _TwiceError(ValueError):
    """A name stands twice in one object."""


def read_json(file: Path, place: str) -> dict[str, Any]:
    """Return the object that a file holds.

    Args:
        file: The file.
        place: How messages call it.

    Raises:
        SettingsError: It cannot be read, is no JSON object, or has a name twice.
    """
    text = _text_of(file, place)
    try:
        values = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{place}: {_position(text, error.pos)}: not valid JSON: {error.msg}") from None
    except _TwiceError as error:
        raise SettingsError(f"{place}: {_position(text, _second_place(text))}: {error}; keep one of them") from None
    except RecursionError:
        raise SettingsError(f"{place}: nested too deep") from None
    except ValueError as error:
        raise SettingsError(f"{place}: {error}") from None
    if not isinstance(values, dict):
        kind = "an array" if isinstance(values, list) else json.dumps(values)[:64]
        raise SettingsError(f"{place}: line 1, column 1: expected a JSON object, got {kind}")
    return values


def _text_of(file: Path, place: str) -> str:
    try:
        if not file.is_file():  # to read a pipe would wait for whoever writes to it
            raise SettingsError(f"{place}: is not a file" if file.exists() else f"{place}: there is no such file")
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise SettingsError(f"{place}: cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST_FILE:
        raise SettingsError(f"{place}: larger than {_LARGEST_FILE} bytes, which no settings file needs to be")
    if content.startswith(b"\xef\xbb\xbf"):
        raise SettingsError(f"{place}: line 1, column 1: begins with a byte order mark; save it as UTF-8 without one")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{place}: line {line}: not UTF-8 at byte {error.start}") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for name, value in pairs:
        if name in seen:
            raise _TwiceError(f"'{name[:64]}' stands there twice")
        seen[name] = value
    return seen


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; write a number")


def _position(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"


def _second_place(text: str) -> int:
    """Return where a name stands for the second time in its object; the text up to there is valid JSON."""
    objects: list[set[str] | None] = []  # an array is `None`
    start, name = 0, ""
    for token in _TOKENS.finditer(text):  # pragma: no branch  # it ends at the name that stands there twice
        match token[0]:
            case "{":
                objects.append(set())
            case "[":
                objects.append(None)
            case "}" | "]":
                objects.pop()
            case ":":
                names = objects[-1] or set()
                if name in names:
                    break
                objects[-1] = names | {name}
            case string:
                start, name = token.start(), json.loads(string)
    return start
