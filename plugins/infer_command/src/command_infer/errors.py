"""What can go wrong between a line and its answer, beyond what a server says."""

from __future__ import annotations

from mlcore.errors import MLCoreError, UnavailableError


class ConnectionLostError(UnavailableError):
    """The connection ended before the answer was whole."""


class UnreachableError(UnavailableError):
    """No connection could be made."""


class RunStoppedError(MLCoreError):
    """Something is wrong that concerns every line, so no further one is asked."""
