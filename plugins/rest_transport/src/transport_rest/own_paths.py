"""The paths of the server itself, which no custom handler may take."""

from __future__ import annotations

from mlcore.handlers import overlap

_PATHS = (
    "/v2",
    "/v2/docs",
    "/v2/docs/{rest:path}",
    "/v2/health/{rest:path}",
    "/v2/models",
    "/v2/models/{rest:path}",
    "/v2/repository/{rest:path}",
    "/openapi.json",
)

# Below a model's own path.
_MODEL_PATHS = (
    "/",
    "/docs",
    "/docs/{rest:path}",
    "/generate",
    "/generate_stream",
    "/infer",
    "/infer_stream",
    "/ready",
    "/versions/{rest:path}",
)


def own_path_of(rest_path: str) -> str | None:
    """Return the path of the server that a custom handler's path would take; `None` if there is none."""
    return next((path for path in _PATHS if overlap(rest_path, path)), None)


def own_model_path_of(rest_path: str) -> str | None:
    """Return what a custom handler's path would take of the paths below its model's; `None` if there is none."""
    return next((path for path in _MODEL_PATHS if overlap(rest_path, path)), None)
