"""CORS for every route: Litestar knows the rules, but the infer routes do not pass through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.config.cors import CORSConfig

from transport_rest.status import error_body, send_error

if TYPE_CHECKING:
    from mlcore.settings import CorsSettings

    from transport_rest.asgi import App, Message, Receive, Scope, Send


def with_cors(app: App, settings: CorsSettings) -> App:
    """Wrap an app so that web pages of the allowed origins may call it."""
    config = CORSConfig(
        allow_origins=settings.allow_origins,
        allow_origin_regex=settings.allow_origin_regex,
        allow_credentials=settings.allow_credentials,
        allow_methods=settings.allow_methods,  # type: ignore[arg-type]  # any method, where Litestar lists the usual
        allow_headers=settings.allow_headers,
        expose_headers=settings.expose_headers,
        max_age=settings.max_age,
    )

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        origin = headers.get(b"origin", b"").decode("latin-1")
        if not origin:
            await app(scope, receive, send)
            return
        is_allowed = config.is_origin_allowed(origin)
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            if is_allowed:
                await send({"type": "http.response.start", "status": 204, "headers": _preflight(config, origin)})
                await send({"type": "http.response.body", "body": b""})
            else:
                await send_error(send, 403, error_body("this origin may not call; the setting is cors_settings"))
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_simple(config, origin)]}
            await send(message)

        await app(scope, receive, send_allowed if is_allowed else send)

    return wrapped


def _preflight(config: CORSConfig, origin: str) -> list[tuple[bytes, bytes]]:
    return _lines({**config.preflight_headers, **_origin(config, origin)})


def _simple(config: CORSConfig, origin: str) -> list[tuple[bytes, bytes]]:
    return _lines({**config.simple_headers, **_origin(config, origin)})


def _origin(config: CORSConfig, origin: str) -> dict[str, str]:
    if config.is_allow_all_origins and not config.allow_credentials:
        return {"Access-Control-Allow-Origin": "*"}
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def _lines(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), str(value).encode()) for name, value in headers.items()]
