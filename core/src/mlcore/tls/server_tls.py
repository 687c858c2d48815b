"""TLS of one server: the contexts of its transports, which follow the files, and how long the certificate counts."""

from __future__ import annotations

import asyncio
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.errors import SettingsError
from mlcore.logs import get_logger
from mlcore.telemetry.instruments import TLS_CERTIFICATE_EXPIRY
from mlcore.tls.certificate import Certificate
from mlcore.tls.context import ChangingContext, TlsFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore.settings import Settings
    from mlcore.telemetry.tallies import Tallies

log = get_logger("mlcore.tls")

# How often the files are looked at; what costs least is a look at their times.
_LOOK_S = 1.0
_DAY_S = 24 * 3600
_WARN_S = 14 * _DAY_S
# How long a client may take to say that it has heard that its connection is closed.
_GOODBYE_S = 5.0
_ANYBODY_READS = 0o004


class ServerTls:
    """TLS of one server.

    Args:
        settings: The server's settings.
        tallies: Where it is shown when the certificate expires.

    Raises:
        SettingsError: A file is missing or wrong, or the certificate has expired.
    """

    def __init__(self, settings: Settings, tallies: Tallies | None = None) -> None:
        self._files = TlsFiles.of(settings)
        self._timeout_s = settings.tls_handshake_timeout
        self._contexts: dict[str, ChangingContext] = {}
        self._watching: asyncio.Task[None] | None = None
        self._told_s = 0.0
        if self._files is not None:
            self._stamp = self._files.stamp()
            self._certificate = _checked(self._files)
            if tallies is not None:
                tallies.observe(TLS_CERTIFICATE_EXPIRY, lambda: [(self._certificate.expires, ())])

    @property
    def is_on(self) -> bool:
        """Whether connections are encrypted."""
        return self._files is not None

    def options(self, protocol: str) -> dict[str, Any]:
        """Return what an event loop's `create_server` and `connect_accepted_socket` take; nothing for plain text.

        Args:
            protocol: What is spoken on the connections, as ALPN names it: `h2` or `http/1.1`.
        """
        if self._files is None:
            return {}
        if protocol not in self._contexts:
            context = self._contexts[protocol] = ChangingContext(ssl.PROTOCOL_TLS_SERVER)
            context.current = self._files.context(protocol)
        return {
            "ssl": self._contexts[protocol],
            "ssl_handshake_timeout": self._timeout_s,
            "ssl_shutdown_timeout": _GOODBYE_S,
        }

    def remarks(self) -> Iterator[str]:
        """Say what is to be warned of, each in one line."""
        if self._files is None:
            return
        left_s = self._certificate.expires - time.time()
        if left_s < 0:
            yield f"tls_certificate: it expired on {_day(self._certificate.expires)}; clients refuse it; replace it"
        elif left_s < _WARN_S:
            day = _day(self._certificate.expires)
            yield f"tls_certificate: it expires in {left_s / _DAY_S:.0f} days, on {day}; replace it"
        if self._certificate.begins > time.time():
            yield f"tls_certificate: it counts only from {_day(self._certificate.begins)} on; clients refuse it"
        if is_readable_by_all(self._files.key_file):
            yield f"tls_key: everybody on this machine may read '{self._files.key_file}'; chmod 600 it"

    # --- while the server runs ---

    def start(self) -> None:
        """Begin to follow the files, and warn of what there is to warn of."""
        if self._files is not None:
            self._warn()
            self._watching = asyncio.create_task(self._watch(), name="mlcore-tls")

    def stop(self) -> None:
        """Follow the files no more."""
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        assert self._files is not None, "there is something to follow"
        while True:
            await asyncio.sleep(_LOOK_S)
            stamp = await asyncio.to_thread(self._files.stamp)  # of a mounted volume, which may take its time
            if stamp != self._stamp:
                self._stamp = stamp
                await self._read_again(self._files)
            elif time.time() - self._told_s > _DAY_S:
                self._warn()

    async def _read_again(self, files: TlsFiles) -> None:
        try:
            certificate, contexts = await asyncio.to_thread(self._read, files)
        except SettingsError as error:  # key and certificate may be written one after the other: the next look is right
            log.warning("the TLS files were changed and cannot be used, so the old ones stay", reason=str(error))
            return
        self._certificate = certificate
        for protocol, context in contexts.items():
            self._contexts[protocol].current = context
        log.info("new connections use the new certificate", expires=_day(certificate.expires))
        self._warn()

    def _read(self, files: TlsFiles) -> tuple[Certificate, dict[str, ssl.SSLContext]]:
        return _checked(files), {protocol: files.context(protocol) for protocol in list(self._contexts)}

    def _warn(self) -> None:
        self._told_s = time.time()
        for remark in self.remarks():
            log.warning(remark)


def is_readable_by_all(file: str) -> bool:
    """Say whether everybody on the machine may read a file."""
    try:
        return bool(Path(file).stat().st_mode & _ANYBODY_READS)
    except OSError:
        return False


def _checked(files: TlsFiles) -> Certificate:
    """Return the certificate, if the files can be used.

    Raises:
        SettingsError: They cannot, or it has expired.
    """
    files.context("http/1.1")
    try:
        certificate = Certificate.read(files.certificate)
    except (OSError, ValueError) as error:
        raise SettingsError(f"tls_certificate: it cannot be used: {error}") from error
    if certificate.expires < time.time():
        raise SettingsError(f"tls_certificate: it expired on {_day(certificate.expires)}; replace it")
    return certificate


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
