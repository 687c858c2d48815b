"""Which plugins may load: entries of `plugins.allow` and `plugins.deny`, by distribution, version and entry point."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterable

_ENTRY = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?::([^\s<>=!~,]+))?\s*([<>=!~].*)?")


class PluginEntry(NamedTuple):
    """One entry.

    Attributes:
        distribution: The distribution that it is about, by its normal name.
        point: The entry point, if it is about one alone.
        versions: The versions that it is about; all if it names none.
    """

    distribution: str
    point: str | None
    versions: SpecifierSet

    @classmethod
    def read(cls, text: str) -> PluginEntry:
        """Read one, such as `runtime-spacy`, `runtime-spacy>=0.1,<0.2` or `runtime-spacy:plugin`.

        Raises:
            ValueError: It is none.
        """
        found = _ENTRY.fullmatch(text.strip())
        try:
            if found is None:
                raise InvalidSpecifier(text)
            return cls(canonicalize_name(found[1]), found[2], SpecifierSet(found[3] or ""))
        except InvalidSpecifier:
            raise ValueError(
                "expected a distribution, with versions if need be, as 'runtime-spacy' or 'runtime-spacy>=0.1,<0.2'"
            ) from None

    def is_about(self, distribution: str, point: str, version: str, if_unclear: bool) -> bool:
        """Say whether it is about a plugin.

        Args:
            distribution: The plugin's distribution.
            point: Its entry point.
            version: The distribution's version.
            if_unclear: What to say of a version that is none.
        """
        if self.distribution != canonicalize_name(distribution) or self.point not in (None, point):
            return False
        if not self.versions:
            return True
        try:
            return self.versions.contains(Version(version), prereleases=True)
        except InvalidVersion:
            return if_unclear


class Permission:
    """Says which plugins may load.

    Args:
        allow: Those that may; all if absent.
        deny: Those that may not, whatever else is said.
    """

    def __init__(self, allow: Iterable[str] | None, deny: Iterable[str]) -> None:
        self._allow = None if allow is None else [PluginEntry.read(text) for text in allow]
        self._deny = [PluginEntry.read(text) for text in deny]

    def is_given(self, distribution: str, point: str, version: str) -> bool:
        """Say whether a plugin may load. One whose version cannot be told may not, where versions count."""
        if any(entry.is_about(distribution, point, version, if_unclear=True) for entry in self._deny):
            return False
        if self._allow is None:
            return True
        return any(entry.is_about(distribution, point, version, if_unclear=False) for entry in self._allow)
