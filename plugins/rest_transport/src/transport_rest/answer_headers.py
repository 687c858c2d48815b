"""The headers that a model adds to its answer, as lines of the response."""

from __future__ import annotations

import re

from mlcore.logs import get_logger

HEAD_LENGTH = b"inference-header-content-length"

# What says how the response itself is sent, hence is not a model's to say.
_OWN_HEADERS = frozenset(
    {
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"date",
        b"keep-alive",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        HEAD_LENGTH,
    }
)
_HEADER_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_NOT_IN_VALUES = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

# A custom handler writes the whole answer; only how it travels is not its to say.
_OF_THE_CONNECTION = frozenset(
    {
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

log = get_logger("mlcore.rest")


def lines_of(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Return a model's headers as lines, without those that would contradict or break the response itself."""
    lines = []
    for name, value in headers.items():
        line = (str(name).lower().encode("latin-1", "replace"), str(value).encode("latin-1", "replace"))
        if line[0] in _OWN_HEADERS or not _HEADER_NAME.fullmatch(line[0]) or _NOT_IN_VALUES.search(line[1]):
            log.warning("a header of the model was left out", header=repr(name)[:64])
        else:
            lines.append(line)
    return lines


def handler_lines_of(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a custom handler's answer, without those that would contradict or break the answer."""
    lines = []
    for name, value in headers:
        line = (name.lower(), value)
        if line[0] == b"content-length":
            continue  # said anew
        if line[0] in _OF_THE_CONNECTION or not _HEADER_NAME.fullmatch(line[0]) or _NOT_IN_VALUES.search(value):
            log.warning("a header of the model was left out", header=repr(name.decode("latin-1"))[:64])
        else:
            lines.append(line)
    return lines
