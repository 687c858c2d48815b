"""The errors that models raise, and that their code catches.

Those that mlcore itself raises are no `MLServerError`: catch what they are, such as `CodecError`.
"""

from __future__ import annotations

from mlcore import errors

__all__ = [
    "InferenceError",
    "InvalidModelURI",
    "MLServerError",
    "ModelNotFound",
    "ModelNotReady",
    "ModelParametersMissing",
]


class MLServerError(errors.MLCoreError):
    """An error that a client is told, with a status.

    Args:
        msg: What the client is told.
        status_code: The HTTP status; gRPC has the one that means the same.
    """

    def __init__(self, msg: str = "", status_code: int = 400) -> None:
        super().__init__(msg, status_code)


class InferenceError(MLServerError, errors.InferenceError):
    """The request is wrong; the client has to change it."""

    def __init__(self, msg: str = "") -> None:
        super().__init__(msg, 400)


class InvalidModelURI(MLServerError):
    """There is no artefact where the settings say."""

    def __init__(self, name: str, model_uri: str | None = None) -> None:
        where = f"'{model_uri}'" if model_uri else "no URI at all"
        super().__init__(f"model '{name}': parameters.uri: expected a file or folder that exists, got {where}", 422)


class ModelNotFound(MLServerError, errors.NotFoundError):
    """There is no such model."""

    def __init__(self, name: str, version: str | None = None) -> None:
        super().__init__(f"{_called(name, version)} not found", 404)


class ModelNotReady(MLServerError, errors.UnavailableError):
    """The model does not answer yet."""

    def __init__(self, name: str, version: str | None = None) -> None:
        super().__init__(f"{_called(name, version)} is not ready yet; try again later", 503)


class ModelParametersMissing(MLServerError):
    """The model's settings lack what its runtime needs."""

    def __init__(self, model_name: str) -> None:
        super().__init__(f"model '{model_name}': parameters: missing in its model-settings.json")


def _called(name: str, version: str | None) -> str:
    return f"Model {name}" + (f" with version {version}" if version else "")
