"""Asks the guard before anything of a request is read: who is not let in learns nothing, not even what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.access.certificates import names_in
from mlcore.access.guard import CHALLENGE
from mlcore.access.identity import credentials_of, without_authorization
from mlcore.errors import UnauthenticatedError

from transport_rest.exchange import EXCHANGE
from transport_rest.infer_route import target_of
from transport_rest.status import send_failure, send_refusal

if TYPE_CHECKING:
    from mlcore.access.guard import Guard

    from transport_rest.asgi import App, Receive, Scope, Send
    from transport_rest.handler_route import HandlerRoute

_OPEN = ("/v2/health/live", "/v2/health/ready")
_REPOSITORY = "/v2/repository/"


def guarded(app: App, guard: Guard, handlers: HandlerRoute) -> App:
    """Let only those requests through whose client is known and may do it.

    Args:
        app: Answers those.
        guard: Knows the clients.
        handlers: Knows the paths of custom handlers.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        limit = None
        try:
            action, model = action_of(scope, handlers)
            identity = guard.admit(
                credentials_of(scope["headers"], names_in(scope[EXCHANGE].certificate)), action, model
            )
            if identity is not None and action == "infer" and identity.limit is not None:
                identity.limit.begin()
                limit = identity.limit
        except Exception as error:  # the client gets an answer whatever fails, and no further
            headers = {"WWW-Authenticate": CHALLENGE} if isinstance(error, UnauthenticatedError) else {}
            if _has_body(scope):
                await send_refusal(error, scope, receive, send, headers)
            else:
                await send_failure(error, scope, receive, send, headers)
            return
        scope["headers"] = without_authorization(scope["headers"])
        if limit is None:
            await app(scope, receive, send)
            return
        try:
            await app(scope, receive, send)
        finally:
            limit.leave()

    return wrapped


def action_of(scope: Scope, handlers: HandlerRoute) -> tuple[str, str | None]:
    """Return what a request does, a key of `mlcore.access.scopes.NEEDED`, and the model that it asks.

    The order is that in which the app looks for what answers. A path that nothing answers is as closed as metadata.
    """
    target = target_of(scope["raw_path"])
    if target is not None:
        return "infer", target.model
    model = handlers.model_of(scope)
    if model is not None:
        return "infer", model
    path: str = scope["path"]
    if path.startswith(_REPOSITORY):
        return "repository", None
    if scope["method"] in ("GET", "HEAD"):
        if path.rstrip("/") in _OPEN and not _has_body(scope):
            return "health", None
        match path.rstrip("/").split("/"):
            case ["", "v2", "models", name, "ready"] | ["", "v2", "models", name, "versions", _, "ready"]:
                return "ready", name
    return "metadata", None


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
        for name, value in scope["headers"]
    )
