"""The app: what a request passes on its way in, outermost first. Composed once, at start."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlcore.logs import get_logger

from transport_rest.compression import compressing
from transport_rest.control_routes import control_app
from transport_rest.infer_route import InferRoute
from transport_rest.status import shown_path

if TYPE_CHECKING:
    from mlcore.control import ControlPlane
    from mlcore.dispatcher import Dispatcher
    from mlcore.settings import Settings

    from transport_rest.asgi import App, Message, Receive, Scope, Send

log = get_logger("mlcore.rest")


def build_app(settings: Settings, dispatcher: Dispatcher, control: ControlPlane) -> App:
    """Compose the app: log, CORS and compression where settings want them, the infer routes, all the others."""
    app: App = InferRoute(dispatcher, settings.max_body_bytes, control_app(settings, control))
    if settings.gzip_enabled:
        app = compressing(app, settings.gzip_min_bytes)
    if settings.cors_settings is not None:
        from transport_rest.cors import with_cors

        app = with_cors(app, settings.cors_settings)
    return _logged(app) if settings.debug else app


def _logged(app: App) -> App:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await app(scope, receive, noting)
        took_ms = round((time.perf_counter() - started) * 1000, 3)
        log.debug("request", method=scope["method"], path=shown_path(scope), status=status, took_ms=took_ms)

    return wrapped
