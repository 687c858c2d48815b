"""The names of one kind of thing that plugins offer. Two offers of one name are an error for whoever asks."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from packaging.utils import canonicalize_name

from mlcore.errors import AmbiguousNameError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlcore.plugins import PluginRecord

T = TypeVar("T")


class Offer(NamedTuple, Generic[T]):
    """What a distribution offers under a name."""

    name: str
    value: T
    distribution: str


class Catalogue(Generic[T]):
    """The offers of one kind, by name.

    Args:
        kind: What is offered, for error messages.
        broken: Says which plugins are broken, for error messages.
    """

    def __init__(self, kind: str, broken: Callable[[], list[PluginRecord]]) -> None:
        self._kind = kind
        self._broken = broken
        self._offers: dict[str, list[Offer[T]]] = {}

    def add(self, name: str, value: T, distribution: str) -> None:
        """Add an offer."""
        self._offers.setdefault(name, []).append(Offer(name, value, distribution))

    def __contains__(self, name: object) -> bool:
        return name in self._offers

    def __iter__(self) -> Iterator[Offer[T]]:
        return (offer for offers in self._offers.values() for offer in offers)

    @property
    def ambiguous(self) -> dict[str, list[str]]:
        """The names that more than one distribution offers, with these."""
        return {
            name: [offer.distribution for offer in offers] for name, offers in self._offers.items() if len(offers) > 1
        }

    def get(self, name: str) -> Offer[T]:
        """Return the offer of this name, which may be qualified as `distribution#name`.

        Raises:
            UnknownNameError: Nobody offers it.
            AmbiguousNameError: Several distributions do, and the name is not qualified.
        """
        distribution, _, short = name.rpartition("#")
        offers = self._offers.get(short, [])
        if distribution:
            offers = [
                offer for offer in offers if canonicalize_name(offer.distribution) == canonicalize_name(distribution)
            ]
        if not offers:
            raise UnknownNameError(self._unknown(name[:64], distribution, short))
        if len(offers) > 1:
            spellings = " or ".join(sorted({f"'{offer.distribution}#{short}'" for offer in offers}))
            raise AmbiguousNameError(
                f"the {self._kind} '{short}' is offered by {' and '.join(offer.distribution for offer in offers)}; "
                f"write {spellings}, or name the other in plugins.deny"
            )
        return offers[0]

    def _unknown(self, name: str, distribution: str, short: str) -> str:
        parts = [f"no {self._kind} is called '{name}'."]
        if short in self._offers:
            others = ", ".join(f"'{offer.distribution}#{short}'" for offer in self._offers[short])
            parts = [f"no {self._kind} is called '{name}': {distribution[:64]} does not offer it. There is {others}."]
        elif near := difflib.get_close_matches(short, self._offers, n=1):
            parts = [f"no {self._kind} is called '{name}'; did you mean '{near[0]}'?"]
        known = ", ".join(
            f"'{known}' ({', '.join(offer.distribution for offer in offers)})"
            for known, offers in sorted(self._offers.items())
            if "." not in known  # aliases are for folders from elsewhere
        )
        parts.append(f"Installed: {known or 'none'}.")
        if broken := self._broken():
            parts.append(f"Broken plugins: {'; '.join(f'{record.name} {record.error}' for record in broken)}.")
        elif self._kind == "runtime":
            parts.append(f"A plugin for it may be installable as runtime-{short[:64]}.")
        return " ".join(parts)
