"""Certificates for tests, and the files that a server reads them from."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


class CertificateFiles:
    """A throw-away authority, and the files of a server that it certifies.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.certificate, self.key, self.ca = (folder / name for name in ("server.pem", "server.key", "ca.pem"))
        self.authority.cert_pem.write_to_path(self.ca)
        self.issue()

    @property
    def settings(self) -> dict[str, str]:
        """The settings that name the certificate and the key."""
        return {"tls_certificate": str(self.certificate), "tls_key": str(self.key)}

    def issue(self, days: float = 365) -> trustme.LeafCert:
        """Write another certificate and its key, which expires in so many days."""
        issued = self.issued(days)
        self.write(issued)
        return issued

    def issued(self, days: float = 365) -> trustme.LeafCert:
        """Return another certificate."""
        expires = datetime.now(UTC) + timedelta(days=days)
        return self.authority.issue_cert("localhost", "127.0.0.1", not_after=expires)

    def write(self, issued: trustme.LeafCert) -> None:
        """Write a certificate and its key."""
        put(self.certificate, issued.cert_chain_pems[0].bytes())
        put(self.key, issued.private_key_pem.bytes())


def put(file: Path, content: bytes) -> None:
    """Write a file all at once, so that nobody sees a part of it; only its owner may read it."""
    part = file.with_name(f"{file.name}.part")
    part.touch(mode=0o600)
    part.write_bytes(content)
    part.replace(file)
