"""The error tree: one root, one stable word per class.

Nothing here knows HTTP or gRPC. A transport owns one table from `code` to its own statuses.
"""

from __future__ import annotations

from typing import Any, ClassVar


class MLCoreError(Exception):
    """The root of every error that mlcore raises on purpose.

    Args:
        message: What was wrong, what was expected, what came, what to do. It reaches the client as it is.
        status_code: An HTTP status that wins over the class's own, for a runtime that needs a special one.
        retry_after_s: Seconds after which the same request may succeed.
    """

    code: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str = "",
        status_code: int | None = None,
        *,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.retry_after_s = retry_after_s


class InternalError(MLCoreError):
    """The server or a model failed; the client did nothing wrong."""

    code = "internal"


class InferenceError(MLCoreError, ValueError):
    """The request is wrong and will stay wrong; the client has to change it."""

    code = "invalid_argument"


class InputNotFoundError(InferenceError):
    """The request lacks an input that the model needs, or has one that it does not know."""


class OutputNotFoundError(InferenceError):
    """The request asks for an output that the model does not have."""


class CodecError(InferenceError):
    """A tensor does not fit the content type it is to be read or written with."""


class UnauthenticatedError(MLCoreError):
    """The client did not say who it is."""

    code = "unauthenticated"


class PermissionDeniedError(MLCoreError):
    """The client is not allowed to do this."""

    code = "permission_denied"


class NotFoundError(MLCoreError, LookupError):
    """There is no such path, model or version."""

    code = "not_found"


class ModelNotFoundError(NotFoundError):
    """No model of this name and version is loaded."""

    def __init__(self, name: str, version: str | None = None) -> None:
        which = f"Model {name[:64]}" + (f" with version {version[:64]}" if version else "")
        super().__init__(f"{which} not found; POST /v2/repository/index lists the models of this server")
        self._asked = name, version

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is made again from its message, which is not what this one is made from.
        return type(self), self._asked, self.__dict__


class FailedPreconditionError(MLCoreError):
    """What was asked for cannot be done in the present state."""

    code = "failed_precondition"


class PayloadTooLargeError(MLCoreError):
    """A body or a message is larger than its limit."""

    code = "payload_too_large"


class UnsupportedMediaTypeError(MLCoreError):
    """The body is in a format, or a compression, that the server does not read."""

    code = "unsupported_media_type"


class TooManyRequestsError(MLCoreError):
    """This client asks for more than it may at once; the same request may succeed later."""

    code = "too_many_requests"


class OverloadedError(MLCoreError):
    """Too much is waiting already; the same request may succeed later."""

    code = "overloaded"


class UnavailableError(MLCoreError):
    """The model or the server is not ready to answer; the same request may succeed later."""

    code = "unavailable"


class ModelNotReadyError(UnavailableError):
    """The model is known and does not answer now; it has not seen the request."""


class DeadlineExceededError(MLCoreError, TimeoutError):
    """The answer did not come within the time that the client or a setting allows."""

    code = "deadline_exceeded"


class RequestCancelledError(MLCoreError):
    """The client went away before its answer."""

    code = "cancelled"
