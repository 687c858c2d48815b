"""Who may change the server from a browser: its own pages, and those that CORS lets in, never any page that is open."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlcore.errors import PermissionDeniedError

from transport_rest.cors import cors_rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcore.settings import Settings


class OriginGuard:
    """Refuses what a page of another origin has the browser send. Other clients do not send an `Origin`.

    Args:
        settings: The server's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._rules = None if settings.cors_settings is None else cors_rules(settings.cors_settings)
        # Open because only this machine can reach it: then a page that has its own name resolve to this machine,
        # and so is of the same origin, must not get in either.
        self._own_names = None if settings.repository_api or settings.auth is not None else {settings.host, "localhost"}

    def check(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Refuse a change that another origin asks for.

        Raises:
            PermissionDeniedError: It does, or under a name that this machine may not have.
        """
        self.check_page(headers)
        name = urlsplit(f"//{_value(headers, b'host')}").hostname or ""
        if self._own_names is not None and name not in self._own_names and not _is_loopback(name):
            raise PermissionDeniedError(
                f"Host: models are loaded and unloaded under a name of this machine only, not '{name[:64]}'; "
                "the setting repository_api opens it to every name"
            )

    def check_page(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Refuse a request that a page of another origin sends.

        Raises:
            PermissionDeniedError: It does.
        """
        origin = _value(headers, b"origin")
        if not origin or urlsplit(origin).netloc == _value(headers, b"host"):
            return
        if self._rules is None or not self._rules.is_origin_allowed(origin):
            raise PermissionDeniedError(
                f"Origin: pages of '{origin[:64]}' may not call this; the setting cors_settings allows origins"
            )


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _value(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str:
    return next((value.decode("latin-1").lower() for name, value in headers if name == wanted), "")
