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
    rules = cors_rules(settings)
    preflight = _lines(rules.preflight_headers)
    simple = _lines(rules.simple_headers)
    # With credentials browsers want to see the origin itself. It is then part of what a cache has to tell apart.
    names_origin = not rules.is_allow_all_origins or rules.allow_credentials
    always = [(b"vary", b"Origin")] if names_origin else []

    def allowing(origin: bytes) -> list[tuple[bytes, bytes]]:
        return [(b"access-control-allow-origin", origin if names_origin else b"*")]

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"")
        is_allowed = bool(origin) and rules.is_origin_allowed(origin.decode("latin-1"))
        if scope["method"] == "OPTIONS" and origin and b"access-control-request-method" in headers:
            if is_allowed:
                lines = always + preflight + allowing(origin)
                if rules.is_allow_all_headers and b"access-control-request-headers" in headers:
                    lines.append((b"access-control-allow-headers", headers[b"access-control-request-headers"]))
                await send({"type": "http.response.start", "status": 204, "headers": lines})
                await send({"type": "http.response.body", "body": b""})
            else:
                await send_error(send, 403, error_body("this origin may not call; the setting is cors_settings"))
            return
        more = always + simple + allowing(origin) if is_allowed else always

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await app(scope, receive, send_more)

    return wrapped


def cors_rules(settings: CorsSettings) -> CORSConfig:
    """Return the settings as Litestar's rules."""
    return CORSConfig(
        allow_origins=settings.allow_origins,
        allow_origin_regex=settings.allow_origin_regex,
        allow_credentials=settings.allow_credentials,
        allow_methods=settings.allow_methods,  # type: ignore[arg-type]  # any method, where Litestar lists the usual
        allow_headers=settings.allow_headers,
        expose_headers=settings.expose_headers,
        max_age=settings.max_age,
    )


def _lines(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers as lines, but those that depend on the request."""
    lines = [(name.lower().encode(), str(value).encode()) for name, value in headers.items()]
    return [line for line in lines if line[0] not in (b"access-control-allow-origin", b"vary")]
