"""The clients of the broker, made from the settings."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from mlcore.errors import SettingsError
from mlcore.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mlcore.settings import Settings

log = get_logger("mlcore.kafka")

# What headers and framing add to the largest body.
_OVERHEAD = 256 * 1024
# What a client gets to say goodbye: to a broker that is down, nobody can.
_CLOSE_S = 5.0
_BETWEEN_BEATS = 3


class Connection:
    """Makes clients of the broker.

    Args:
        settings: The server's settings.

    Raises:
        SettingsError: They do not fit together, or a file cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._common: dict[str, Any] = {
            "bootstrap_servers": settings.kafka_servers,
            "client_id": settings.server_name,
            "security_protocol": settings.kafka_security_protocol,
            "ssl_context": _tls_of(settings),
            **_sasl_of(settings),
        }

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        """Have a producer that is connected. An answer counts as written when every replica in sync has it.

        Raises:
            KafkaError: No broker can be reached.
        """
        producer = AIOKafkaProducer(
            **self._common, acks="all", max_request_size=self._settings.max_body_bytes + _OVERHEAD
        )
        try:
            await _start(producer)
            yield producer
        finally:
            await close(producer)

    @asynccontextmanager
    async def consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Have a consumer that is connected, and subscribed to nothing yet.

        It sees no message of a transaction that is not committed, and commits nothing unless it is asked to.

        Raises:
            KafkaError: No broker can be reached.
        """
        settings = self._settings
        session_ms = round(settings.kafka_session_timeout * 1000)
        consumer = AIOKafkaConsumer(
            **self._common,
            group_id=settings.kafka_group_id,
            auto_offset_reset=settings.kafka_offset_reset,
            enable_auto_commit=False,
            isolation_level="read_committed",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // _BETWEEN_BEATS,
            rebalance_timeout_ms=session_ms + round(settings.kafka_rebalance_timeout * 1000),
        )
        try:
            await _start(consumer)
            yield consumer
        finally:
            await close(consumer)


async def _start(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Connect. A client that is cancelled while it connects leaves a connection behind, so it gets a while to end."""
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting}, timeout=_CLOSE_S)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        raise


async def close(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Disconnect, whatever state the broker is in."""
    closing = asyncio.ensure_future(client.stop())
    await asyncio.wait({closing}, timeout=_CLOSE_S)
    if not closing.done():
        closing.cancel()
    error = (await asyncio.gather(closing, return_exceptions=True))[0]
    if isinstance(error, asyncio.CancelledError):
        # A consumer's stop ends half way if a fetch of its own waits to be tried again, because its broker is down.
        # What it has not come to is this.
        await client._client.close()
    if error is not None:  # there is nothing left to do with it
        log.warning("a client of Kafka did not close well", reason=repr(error))


def _tls_of(settings: Settings) -> ssl.SSLContext | None:
    certificate, key = settings.kafka_tls_certificate, settings.kafka_tls_key
    is_encrypted = settings.kafka_security_protocol.endswith("SSL")
    given = [name for name in ("kafka_tls_ca", "kafka_tls_certificate", "kafka_tls_key") if getattr(settings, name)]
    if not is_encrypted:
        if given:
            raise SettingsError(
                f"{given[0]}: of no use with kafka_security_protocol {settings.kafka_security_protocol}; "
                "expected SSL or SASL_SSL there"
            )
        return None
    try:
        context = ssl.create_default_context(cafile=settings.kafka_tls_ca or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"kafka_tls_ca: it cannot be used: {_said(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        try:
            context.load_cert_chain(certificate, key or None)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"kafka_tls_certificate, kafka_tls_key: they cannot be used: {_said(error)}") from error
    elif key:
        raise SettingsError("kafka_tls_certificate: missing; kafka_tls_key is the key of that certificate")
    return context


def _sasl_of(settings: Settings) -> dict[str, Any]:
    names = ("kafka_sasl_username", "kafka_sasl_password")
    if not settings.kafka_security_protocol.startswith("SASL"):
        for name in names:
            if getattr(settings, name):
                raise SettingsError(
                    f"{name}: of no use with kafka_security_protocol {settings.kafka_security_protocol}; expected "
                    "SASL_SSL or SASL_PLAINTEXT there"
                )
        return {}
    for name in names:
        if not getattr(settings, name):
            raise SettingsError(f"{name}: missing; kafka_security_protocol {settings.kafka_security_protocol} needs it")
    return {
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": settings.kafka_sasl_password,
    }


def _said(error: OSError) -> str:
    return error.strerror or str(error)
