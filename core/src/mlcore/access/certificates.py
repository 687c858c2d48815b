"""Clients that are known by their certificate, which the server's TLS has verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore.access.identity import Authenticator, Identity
from mlcore.access.limit import Limit
from mlcore.access.scopes import Scopes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlcore.access.identity import Credentials
    from mlcore.access.settings import CertificateSettings

_KINDS = frozenset({"DNS", "URI", "email"})


class ClientCertificates(Authenticator):
    """Knows clients by a name in their certificate.

    Args:
        certificates: Whose there are.
    """

    def __init__(self, certificates: Iterable[CertificateSettings]) -> None:
        self._known = {
            known.subject: Identity(
                known.name, Scopes(known.scopes), Limit.of(known.name, known.rate, known.concurrency)
            )
            for known in certificates
        }

    def identify(self, credentials: Credentials) -> Identity | None:
        """Return whose certificate is shown."""
        return next((self._known[name] for name in credentials.certificate_names if name in self._known), None)


def names_in(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the names in a certificate that was verified, as `ssl` gives it, such as `DNS=a.example`."""
    if not certificate:
        return ()
    common = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    others = [f"{kind}={name}" for kind, name in certificate.get("subjectAltName", ()) if kind in _KINDS]
    return (*(f"CN={name}" for name in common), *others)
