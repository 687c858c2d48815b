"""The one table of which scope each action needs, whatever the transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ADMIN = "admin"
"""The scope that holds all others."""

NEEDED: dict[str, str | None] = {
    "health": None,
    "infer": "infer",
    "metadata": "metadata",
    "metrics": "metrics",
    "repository": "repository",
}
"""Action to the scope that it needs; `None` for what is open to everybody."""


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
            model: The model that is asked, where the action is `infer`.
        """
        if action not in NEEDED:
            return False
        needed = NEEDED[action]
        if needed is None or needed in self._names or ADMIN in self._names:
            return True
        return needed == "infer" and model is not None and f"infer:{model}" in self._names
