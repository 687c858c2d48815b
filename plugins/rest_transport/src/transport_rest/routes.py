"""The route that a request took, as telemetry names it: no label holds what a client wrote."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from transport_rest.infer_route import target_of

if TYPE_CHECKING:
    from transport_rest.asgi import Scope

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_NAMES = {"{name}": "{model_name}", "{version}": "{model_version}"}


def route_of(scope: Scope) -> str | None:
    """Return the route of an answered request, such as `/v2/models/{model_name}/infer`; `None` if it has none."""
    template = scope.get("path_template")
    return _named(template) if template else infer_route_of(scope["raw_path"])


@lru_cache(1024)
def infer_route_of(raw_path: bytes) -> str | None:
    """Return the route of an infer path; `None` for any other path."""
    target = target_of(raw_path)
    if target is None:
        return None
    verb = unquote(raw_path.decode("ascii")).rstrip("/").rpartition("/")[2]
    version = "" if target.version is None else "/versions/{model_version}"
    return f"/v2/models/{{model_name}}{version}/{verb}"


def method_of(scope: Scope) -> str:
    """Return the method of a request, as the conventions of OpenTelemetry name it."""
    method: str = scope["method"]
    return method if method in _METHODS else "_OTHER"


@lru_cache(1024)
def is_probe(raw_path: bytes) -> bool:
    """Say whether a path is one that balancers ask again and again."""
    return raw_path.startswith(b"/v2/health/") or raw_path.rstrip(b"/").endswith(b"/ready")


@lru_cache(64)
def _named(template: str) -> str:
    for ours, theirs in _NAMES.items():
        template = template.replace(ours, theirs)
    return template
