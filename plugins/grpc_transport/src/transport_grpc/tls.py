"""TLS as the settings say it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from mlcore.errors import SettingsError

if TYPE_CHECKING:
    from mlcore.settings import Settings


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """Return what connections are encrypted with; `None` for plain text.

    Raises:
        SettingsError: A file is missing or wrong.
    """
    certificate, key, clients = settings.tls_certificate, settings.tls_key, settings.tls_client_ca
    if not certificate:
        if key or clients:
            raise SettingsError("tls_certificate: missing; tls_key and tls_client_ca need the server's certificate")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    try:
        context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"tls_certificate, tls_key: they cannot be used: {_said(error)}") from error
    if clients:
        try:
            context.load_verify_locations(clients)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"tls_client_ca: it cannot be used: {_said(error)}") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _said(error: OSError) -> str:
    return error.strerror or str(error)
