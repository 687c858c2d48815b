"""Asks the guard before the metrics are collected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore.access.guard import CHALLENGE
from mlcore.access.identity import credentials_of
from mlcore.errors import PermissionDeniedError, UnauthenticatedError

from transport_metrics.app import error_body, send_answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mlcore.access.guard import Guard

    from transport_metrics.app import Scope, Send


def guarded(app: Callable[[Scope, Any, Send], Awaitable[None]], guard: Guard) -> Any:
    """Let only those requests through whose client may see the metrics."""

    async def wrapped(scope: Scope, receive: Any, send: Send) -> None:
        try:
            guard.admit(credentials_of(scope["headers"]), "metrics")
        except UnauthenticatedError as error:
            # What else the client may send is not read.
            headers = [(b"www-authenticate", CHALLENGE.encode()), (b"connection", b"close")]
            await send_answer(send, scope["method"], 401, error_body(str(error)), headers)
        except PermissionDeniedError as error:
            await send_answer(send, scope["method"], 403, error_body(str(error)), [(b"connection", b"close")])
        else:
            await app(scope, receive, send)

    return wrapped
