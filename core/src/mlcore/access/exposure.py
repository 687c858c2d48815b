"""What strangers reach: said at the start, so that nobody opens a server without knowing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.listening import is_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore.settings import Settings

_OPEN = {
    "rest": "ask every model and see what there is",
    "grpc": "ask every model and see what there is",
    "metrics": "see the metrics",
}


def knows_clients(settings: Settings) -> bool:
    """Say whether the server lets in only whom it knows: by `auth`, or by a certificate."""
    return settings.auth is not None or (bool(settings.tls_client_ca) and settings.tls_client_verify == "required")


def exposure_of(settings: Settings, transports: Sequence[str]) -> str | None:
    """Return what anybody can do who reaches the server over the network; `None` if nobody unknown can.

    Args:
        settings: The server's settings.
        transports: The names of those that listen.
    """
    if is_loopback(settings.host) or knows_clients(settings) or not transports:
        return None
    able = list(dict.fromkeys(_OPEN.get(name, f"use the transport {name}") for name in transports))
    if settings.repository_api and not {"rest", "grpc"}.isdisjoint(transports):
        able.append("load and unload models")
    return (
        f"{', '.join(transports)} listen on {settings.host} without authentication: whoever reaches them can "
        f"{', '.join(able)}; set auth (mlcore key makes a key), or tls_client_ca, or let host be 127.0.0.1"
    )
