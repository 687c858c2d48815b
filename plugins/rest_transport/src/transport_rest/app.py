"""The app: what a request passes on its way in, outermost first. Composed once, at start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.telemetry import is_tracing
from mlcore.telemetry.access_log import AccessLog

from transport_rest.access import logged
from transport_rest.compression import compressing
from transport_rest.control_routes import control_app
from transport_rest.handler_route import HandlerRoute
from transport_rest.infer_route import InferRoute

if TYPE_CHECKING:
    from mlcore.control import ControlPlane
    from mlcore.dispatcher import Dispatcher
    from mlcore.settings import Settings

    from transport_rest.asgi import App


def build_app(settings: Settings, dispatcher: Dispatcher, control: ControlPlane) -> App:
    """Compose the app: traces, log, CORS, guard, compression where wanted, infer, handlers, all others."""
    handlers = HandlerRoute(dispatcher, control, settings.max_body_bytes, control_app(settings, control))
    app: App = InferRoute(dispatcher, settings.max_body_bytes, handlers, settings.server_timing)
    if settings.gzip_enabled:
        app = compressing(app, settings.gzip_min_bytes)
    if control.guard is not None:
        from transport_rest.guarded import guarded

        app = guarded(app, control.guard, handlers)
    if settings.cors_settings is not None:
        from transport_rest.cors import with_cors

        app = with_cors(app, settings.cors_settings)
    app = logged(app, AccessLog.of(settings))
    if is_tracing():
        from mlcore.telemetry.tracing import Tracing

        from transport_rest.server_span import traced

        tracing = Tracing()
        if not tracing.is_off:
            app = traced(app, tracing)
    return app
