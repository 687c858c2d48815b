"""What new connections are encrypted with: a context of `ssl`, and one that can be exchanged while somebody listens."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlcore.errors import SettingsError

if TYPE_CHECKING:
    from mlcore.settings import Settings


class TlsFiles(NamedTuple):
    """The files that the settings name, and what is asked of clients."""

    certificate: str
    key: str
    client_ca: str
    needs_client: bool

    @classmethod
    def of(cls, settings: Settings) -> TlsFiles | None:
        """Return them; `None` for plain text.

        Raises:
            SettingsError: Files are named that need a certificate, and there is none.
        """
        certificate, key, clients = settings.tls_certificate, settings.tls_key, settings.tls_client_ca
        if not certificate:
            if key or clients:
                raise SettingsError("tls_certificate: missing; tls_key and tls_client_ca need the server's certificate")
            return None
        return cls(certificate, key, clients, settings.tls_client_verify == "required")

    @property
    def key_file(self) -> str:
        """The file with the key."""
        return self.key or self.certificate

    def stamp(self) -> tuple[tuple[int, int, int, int] | None, ...]:
        """Return something that differs once any of them was changed, or exchanged by a link to another one."""
        return tuple(_stamp(file) for file in (self.certificate, self.key, self.client_ca) if file)

    def context(self, protocol: str) -> ssl.SSLContext:
        """Make what connections are encrypted with.

        Args:
            protocol: What is spoken on them, as ALPN names it.

        Raises:
            SettingsError: A file is missing or wrong.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols([protocol])
        try:
            context.load_cert_chain(self.certificate, self.key or None, password=_refuse_to_ask)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"tls_certificate, tls_key: they cannot be used: {_said(error)}") from error
        if self.client_ca:
            try:
                context.load_verify_locations(self.client_ca)
            except (OSError, ssl.SSLError) as error:
                raise SettingsError(f"tls_client_ca: it cannot be used: {_said(error)}") from error
            context.verify_mode = ssl.CERT_REQUIRED if self.needs_client else ssl.CERT_OPTIONAL
        return context


class ChangingContext(ssl.SSLContext):
    """Begins each connection with the context of that moment; those that there are keep theirs.

    To load another certificate into a context that is in use leaves it without any if the key does not fit.
    """

    current: ssl.SSLContext

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """Begin a connection; both event loops do so with this."""
        return self.current.wrap_bio(*arguments, **options)


def _stamp(file: str) -> tuple[int, int, int, int] | None:
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _refuse_to_ask() -> str:
    raise SettingsError("tls_key: it is encrypted, and nobody is there to type the password; store it decrypted")


def _said(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key is not that of the certificate"
        return f"not in PEM format, or damaged ({error.reason or error})"
    return error.strerror or str(error)
