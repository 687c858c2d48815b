"""How the connections of every transport are encrypted, by the same settings."""

from mlcore.tls.certificate import Certificate
from mlcore.tls.server_tls import ServerTls

__all__ = ["Certificate", "ServerTls"]
