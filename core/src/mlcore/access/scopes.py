"""The one table of which scope each action needs, whatever the transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ADMIN = "admin"
"""The scope that holds all others."""

OF_MODEL = "infer:"
"""What the scope that allows requests to one model begins with."""

NEEDED: dict[str, tuple[str, ...] | None] = {
    "health": None,
    "infer": ("infer",),
    "metadata": ("metadata",),
    "metrics": ("metrics",),
    "ready": ("metadata", "infer"),
    "repository": ("repository",),
}
"""Action to the scopes of which it needs one; `None` for what is open to everybody. `ready` is that of one model."""

NAMES = (ADMIN, *sorted({name for needed in NEEDED.values() for name in needed or ()}))
"""Every scope, but those of one model."""


class Scopes:
    """What one identity may do.

    Args:
        names: `infer`, `infer:MODEL`, `metadata`, `repository`, `metrics` or `admin`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def allow(self, action: str, model: str | None = None) -> bool:
        """Say whether an action is allowed; one that is not in the table never is.

        Args:
            action: A key of `NEEDED`.
            model: The model that is asked, where the action is of one.
        """
        if action not in NEEDED:
            return False
        needed = NEEDED[action]
        if needed is None or ADMIN in self._names or not self._names.isdisjoint(needed):
            return True
        return "infer" in needed and model is not None and OF_MODEL + model in self._names

    def allow_for_some(self, action: str) -> bool:
        """Say whether an action is allowed for at least one model, where it is not known yet which one is asked."""
        of_models = "infer" in (NEEDED.get(action) or ())
        return self.allow(action) or (of_models and any(name.startswith(OF_MODEL) for name in self._names))


def needed_for(action: str, model: str | None = None) -> str:
    """Return the scopes of which an action needs one, for people."""
    needed = list(NEEDED.get(action) or ())
    if "infer" in needed and model is not None:
        needed.append(OF_MODEL + model[:64])
    return " or ".join(needed)
