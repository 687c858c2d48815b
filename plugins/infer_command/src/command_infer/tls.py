"""How connections are encrypted."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from command_infer.options import Address


def tls_context(address: Address) -> ssl.SSLContext | None:
    """Return what connections to the server are encrypted with, if they are.

    The authorities are those of the system; `SSL_CERT_FILE` names a file with others.
    """
    if not address.is_encrypted:
        return None
    context = ssl.create_default_context()
    if not address.checks_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
