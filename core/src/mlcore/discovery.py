"""Which plugins are installed, and which of them may load. It imports none of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import distribution, distributions, entry_points, version
from typing import TYPE_CHECKING, Any

from mlcore import builtin
from mlcore.logs import get_logger
from mlcore.permission import Permission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.metadata import Distribution, EntryPoint

    from mlcore.settings import PluginSettings

ENTRY_POINT_GROUP = "mlcore"

log = get_logger("mlcore.plugins")


@dataclass
class PluginRecord:
    """What is known of one plugin.

    Attributes:
        name: `distribution:entry-point`.
        distribution: The distribution that brings it.
        version: The distribution's version.
        state: `active`, `broken` or `denied`.
        error: Why it is broken.
        hooks: The hooks that it implements.
    """

    name: str
    distribution: str
    version: str
    state: str = "active"
    error: str = ""
    hooks: list[str] = field(default_factory=list)

    def break_down(self, error: str) -> None:
        """Note that the plugin cannot be used, and why."""
        self.state = "broken"
        self.error = error


def discovered(settings: PluginSettings) -> Iterator[tuple[PluginRecord, Callable[[], Any] | None]]:
    """Return each plugin with what loads it; `None` for one that may not be loaded, or cannot.

    That of the core is the first; the others follow in the order of their names, whatever order they were installed
    in.
    """
    yield PluginRecord("mlcore-core:builtin", "mlcore-core", version("mlcore-core")), lambda: builtin
    permission = Permission(settings.allow, settings.deny)
    points: dict[tuple[str, str, str], EntryPoint] = {}
    for point in _entry_points():
        # An editable install may show its distribution twice.
        points.setdefault((_distribution_of(point), point.name, point.value), point)
    for (owner, name, _), point in sorted(points.items(), key=lambda item: item[0]):
        record = PluginRecord(f"{owner}:{name}", owner, point.dist.version if point.dist else "")
        if not permission.is_given(owner, name, record.version):
            record.state = "denied"
            yield record, None
        else:
            yield record, point.load


def installed() -> list[Distribution]:
    """Return the distributions that bring plugins, that of the core first, in the order of their names."""
    found = {_distribution_of(point): point.dist for point in _entry_points() if point.dist is not None}
    return [distribution("mlcore-core"), *(found[name] for name in sorted(found) if name != "mlcore-core")]


def _entry_points() -> list[EntryPoint]:
    try:
        return list(entry_points(group=ENTRY_POINT_GROUP))
    except Exception:  # a distribution whose list is damaged spoils the list of all
        return [point for known in distributions() for point in _readable(known)]


def _readable(known: Distribution) -> list[EntryPoint]:
    try:
        return list(known.entry_points.select(group=ENTRY_POINT_GROUP))
    except Exception as error:  # as above
        log.warning("the entry points of a distribution are damaged; install it again", reason=str(error))
        return []


def _distribution_of(point: EntryPoint) -> str:
    # There is no name after a broken uninstall, where `dist.name` is None or, on newer Pythons, a warning.
    names = point.dist.metadata.get_all("Name") if point.dist is not None else None
    return names[0] if names else "unknown"
