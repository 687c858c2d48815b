"""What each method does, as the guard asks for it. A method that is not here is not served."""

from __future__ import annotations

_INFERENCE = "inference.GRPCInferenceService"
_REPOSITORIES = (_INFERENCE, "inference.model_repository.ModelRepositoryService")

ACTIONS = {
    f"{_INFERENCE}/ServerLive": "health",
    f"{_INFERENCE}/ServerReady": "health",
    f"{_INFERENCE}/ModelReady": "ready",
    f"{_INFERENCE}/ServerMetadata": "metadata",
    f"{_INFERENCE}/ModelMetadata": "metadata",
    f"{_INFERENCE}/ModelInfer": "infer",
    f"{_INFERENCE}/ModelStreamInfer": "infer",
    **{f"{service}/RepositoryIndex": "repository" for service in _REPOSITORIES},
    **{f"{service}/RepositoryModelLoad": "repository" for service in _REPOSITORIES},
    **{f"{service}/RepositoryModelUnload": "repository" for service in _REPOSITORIES},
    # Of the server; the service itself asks the guard where the health of a model is meant.
    "grpc.health.v1.Health/Check": "health",
    "grpc.health.v1.Health/Watch": "health",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": "metadata",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "metadata",
}
"""Full name of the method to a key of `mlcore.access.scopes.NEEDED`."""
