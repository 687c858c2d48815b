"""What will be different where MLServer is installed from: requirements, environments of conda, Dockerfiles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlcore_mlserver.finding import Finding
from mlcore_mlserver.missing_runtimes import MISSING, REPLACED

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = re.compile(
    r"(.*requirements.*\.(txt|in)|(environment|conda)\.ya?ml|pyproject\.toml|setup\.(py|cfg)|(.*\.)?Dockerfile(\..*)?)",
    re.I,
)
"""The names of files that say what to install."""

_DISTRIBUTION = re.compile(r"(?<![\w./-])mlserver(?:[-_][a-z]+(?:[-_][a-z]+)?)?(?![\w./-])", re.I)
_IMAGE = re.compile(r"\bseldonio/mlserver\b")


def of_install(text: str) -> Iterator[Finding]:
    """Return what is to be installed in place of what a file names."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        if _IMAGE.search(line):
            yield Finding("the image of MLServer: mlcore build makes one of the folder", number, needs_change=True)
        for found in dict.fromkeys(match[0] for match in _DISTRIBUTION.finditer(line)):
            told = _told(found)
            if told:
                yield Finding(f"{found}: {told}", number, needs_change=True)


def _told(distribution: str) -> str:
    package = distribution.lower().replace("-", "_")
    if package == "mlserver":
        return "install mlcore-mlserver in its place"
    if package in REPLACED:
        return f"install {REPLACED[package]} in its place"
    if package in MISSING:
        return f"mlcore has no runtime for {MISSING[package]} yet; remove it, and write a class of your own"
    return ""
