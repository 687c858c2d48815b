"""Which model answers which path of the custom handlers: what the front knows of them, which is no more than paths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from transport_rest.own_paths import own_model_path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore.engine import HandlerRoute, Handlers

_PARAMETER = re.compile(r"\{\w+(:\w+)?\}")


class HandlerTarget(NamedTuple):
    """What answers a request to a custom handler.

    Attributes:
        model: The model's name.
        version: Its version; `None` for the one that answers if none is asked for.
        base: What comes before the handler's own path.
        template: The whole path, as telemetry names it.
    """

    model: str
    version: str | None
    base: str
    template: str


class HandlerTable:
    """The paths of custom handlers.

    Args:
        handlers: Those of each model, by name and version.
    """

    def __init__(self, handlers: dict[tuple[str, str | None], Handlers]) -> None:
        self._plain: dict[str, dict[str, HandlerTarget]] = {}
        self._patterns: dict[re.Pattern[str], dict[str, HandlerTarget]] = {}
        for key, known in handlers.items():
            for route in known.routes:
                for target, path in _places(key, route):
                    self._add(path, route.rest_method, target)

    def find(self, path: str) -> dict[str, HandlerTarget]:
        """Return what answers a path, by HTTP method; nothing for a path that no handler has."""
        path = path.rstrip("/") or "/"
        found = self._plain.get(path)
        if not self._patterns:
            return found or {}
        matched: dict[str, HandlerTarget] = {}
        for pattern, targets in self._patterns.items():
            if pattern.fullmatch(path):
                matched = {**targets, **matched}
        return {**matched, **(found or {})}

    def _add(self, path: str, method: str, target: HandlerTarget) -> None:
        if "{" not in path.removeprefix(target.base):
            self._plain.setdefault(path, {})[method] = target
            return
        own = path.removeprefix(target.base)
        literals = iter(re.escape(text) for text in _PARAMETER.sub("\0", own).split("\0"))
        pattern = re.escape(target.base) + next(literals)
        for parameter in _PARAMETER.finditer(own):
            pattern += (".+" if parameter[0].endswith(":path}") else "[^/]+") + next(literals)
        self._patterns.setdefault(re.compile(pattern, re.DOTALL), {})[method] = target


def _places(key: tuple[str, str | None], route: HandlerRoute) -> Iterator[tuple[HandlerTarget, str]]:
    """Give the paths of one handler: its own, if its version is the default one, and the one below its model's."""
    name, version = key
    if version is None:
        yield HandlerTarget(name, None, "", route.rest_path), route.rest_path
    if own_model_path_of(route.rest_path) is None:
        base, template = f"/v2/models/{name}", "/v2/models/{model_name}"
        if version is not None:
            base, template = f"{base}/versions/{version}", template + "/versions/{model_version}"
        yield HandlerTarget(name, version, base, template + route.rest_path), base + route.rest_path
