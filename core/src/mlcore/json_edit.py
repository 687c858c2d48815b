"""Changes one member of a JSON text and leaves everything else as somebody has written it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = re.compile(r"[ \t\r\n]*")
_decoder = json.JSONDecoder()


class _Member(NamedTuple):
    """A member of an object: its name, where that begins, where its value begins and where it ends."""

    name: str
    start: int
    value: int
    end: int


def with_text(text: str, path: tuple[str, ...], value: str) -> str:
    """Return a JSON object's text with another string at a path of member names; what lacks on the way is added.

    Args:
        text: The text of an object; what the path leads through are objects, too.
        path: The names, the outermost first.
        value: The string.
    """
    return _with(text, _after_space(text, 0), path, json.dumps(value))


def _with(text: str, start: int, path: tuple[str, ...], value: str) -> str:
    """Do it in the object that begins at `start`."""
    members = list(_members(text, start))
    known = next((member for member in members if member.name == path[0]), None)
    if known is not None and len(path) > 1:
        return _with(text, known.value, path[1:], value)
    if known is not None:
        return f"{text[: known.value]}{value}{text[known.end :]}"
    for name in reversed(path[1:]):
        value = f"{{{json.dumps(name)}: {value}}}"
    added = f"{json.dumps(path[0])}: {value}"
    if not members:
        return f"{text[: start + 1]}{added}{text[_after_space(text, start + 1) :]}"
    before = text[_after_brace_or_comma(text, members, start) : members[-1].start]
    return f"{text[: members[-1].end]},{before or ' '}{added}{text[members[-1].end :]}"


def _after_brace_or_comma(text: str, members: list[_Member], start: int) -> int:
    """Return where the white space before the last member begins, which a further one gets as well."""
    return start + 1 if len(members) == 1 else text.index(",", members[-2].end) + 1


def _members(text: str, start: int) -> Iterator[_Member]:
    at = _after_space(text, start + 1)
    while text[at] != "}":
        name, end = _decoder.raw_decode(text, at)
        value = _after_space(text, text.index(":", end) + 1)
        _, ended = _decoder.raw_decode(text, value)
        yield _Member(name, at, value, ended)
        at = _after_space(text, ended)
        if text[at] == ",":
            at = _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found is not None else at
