"""Every error that mlcore raises on purpose: those of a request, and those of an operator's set-up."""

from __future__ import annotations

from mlcore_protocol.errors import (
    CodecError,
    DeadlineExceededError,
    FailedPreconditionError,
    InferenceError,
    InputNotFoundError,
    InternalError,
    MLCoreError,
    ModelNotFoundError,
    ModelNotReadyError,
    NotFoundError,
    OutputNotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RequestCancelledError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedMediaTypeError,
)

__all__ = [
    "AmbiguousNameError",
    "CodecError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "InferenceError",
    "InputNotFoundError",
    "InternalError",
    "MLCoreError",
    "ModelLoadError",
    "ModelNotFoundError",
    "ModelNotReadyError",
    "NotFoundError",
    "OutputNotFoundError",
    "OverloadedError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "PluginError",
    "PortInUseError",
    "RequestCancelledError",
    "SettingsError",
    "TooManyRequestsError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnknownNameError",
    "UnsupportedMediaTypeError",
]


class SettingsError(FailedPreconditionError, ValueError):
    """A settings file, an environment variable or an option is wrong."""


class PluginError(FailedPreconditionError):
    """A plugin cannot be used: it fails to import, or its hooks do not fit.

    Attributes:
        plugin: The plugin's name, `distribution:entry-point`.
    """

    def __init__(self, plugin: str, message: str) -> None:
        super().__init__(f"plugin {plugin}: {message}")
        self.plugin = plugin


class UnknownNameError(FailedPreconditionError, LookupError):
    """Nothing installed offers this name."""


class AmbiguousNameError(FailedPreconditionError):
    """Two plugins offer this name, and neither wins."""


class ModelLoadError(FailedPreconditionError):
    """A model could not be made ready."""


class PortInUseError(FailedPreconditionError):
    """A transport's port is taken, or may not be opened."""
