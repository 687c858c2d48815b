"""Brokers that are down, encrypted, or want to know who is there."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from contextlib import asynccontextmanager

import pytest
import trustme
from mlcore.errors import SettingsError
from mlcore.settings import Settings
from transport_kafka.connection import Connection

from .broker import Broker
from .gate import Gate
from .topics import body, eventually, said, topics

PASSWORD = b"\0reader\0secret"


@asynccontextmanager
async def gated(folder, **options):
    """Have a gate, and a broker behind it which tells clients to come through the gate."""
    gate = Gate(**options)
    port = await gate.listen()
    try:
        with Broker(folder, advertised=port) as broker:
            yield gate, broker
    finally:
        await gate.close()


async def test_f34_a_broker_that_is_down_holds_up_nobody_and_is_found_when_it_is_back(serve, tmp_path, caplog):
    caplog.set_level("INFO", "mlcore.kafka")
    async with gated(tmp_path) as (gate, broker):
        gate.open(broker.port)
        async with topics(broker.address) as own:
            gate.shut()
            async with serve(own, transports=["rest", "kafka"], http_port=0) as server:
                await eventually(lambda: "Kafka cannot be used; trying again" in caplog.messages)
                answer = await asyncio.to_thread(ask, server.url("rest") + "/v2/models/echo/infer", body(1))
                ready = await asyncio.to_thread(ask, server.url("rest") + "/v2/health/ready")

                gate.open(broker.port)
                assert (await own.ask(body(2))).topic == own.output

                await own.write(said("wait a"), "a", model="doing")
                await eventually(lambda: "wait a" in server.doing.asked)
                refused = gate.refused
                gate.shut()
                server.doing.go_on.set()
                await eventually(lambda: gate.refused > refused)
                gate.open(broker.port)
                assert (await own.answer("a")).topic == own.output
                assert (await own.ask(body(3))).topic == own.output

    assert answer["outputs"][0]["data"] == [1.0]
    assert ready == {"ready": True}


async def test_a_stop_does_not_wait_for_a_broker_that_is_down(serve, tmp_path):
    async with gated(tmp_path) as (gate, broker):
        gate.open(broker.port)
        async with topics(broker.address) as own:
            async with serve(own, grace_period=60) as server:
                await own.ask(body(1))
                refused = gate.refused
                gate.shut()
                await eventually(lambda: gate.refused > refused)
            gate.shut()
            async with serve(own, grace_period=60) as server:
                assert server.control.is_ready
            gate.open(broker.port)


async def test_brokers_are_spoken_to_encrypted_and_with_a_password(serve, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    settings = {"kafka_security_protocol": "SASL_SSL", "kafka_tls_ca": str(tmp_path / "ca.pem")}
    async with gated(tmp_path, tls=tls, password=PASSWORD) as (gate, broker):
        gate.open(broker.port)
        async with topics(
            broker.address,
            security_protocol="SASL_SSL",
            ssl_context=client,
            sasl_mechanism="PLAIN",
            sasl_plain_username="reader",
            sasl_plain_password="secret",
        ) as own:
            async with serve(own, **settings, kafka_sasl_username="reader", kafka_sasl_password="wrong"):
                await eventually(lambda: gate.refused)
            async with serve(own, **settings, kafka_sasl_username="reader", kafka_sasl_password="secret"):
                record = await own.ask(body(1))

    assert record.topic == own.output


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kafka_tls_ca": "ca.pem"}, "kafka_tls_ca: of no use with kafka_security_protocol PLAINTEXT"),
        ({"kafka_sasl_password": "p"}, "kafka_sasl_password: of no use with kafka_security_protocol PLAINTEXT"),
        ({"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_username": "u"}, "kafka_sasl_password: missing"),
        ({"kafka_security_protocol": "SSL", "kafka_tls_ca": "nowhere.pem"}, "kafka_tls_ca: it cannot be used: No such"),
        ({"kafka_security_protocol": "SSL", "kafka_tls_key": "key.pem"}, "kafka_tls_certificate: missing"),
        (
            {"kafka_security_protocol": "SSL", "kafka_tls_certificate": "nowhere.pem"},
            "kafka_tls_certificate, kafka_tls_key: they cannot be used: No such file",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_named(given, message):
    with pytest.raises(SettingsError, match=message):
        Connection(Settings(**given))


def test_a_password_is_not_shown():
    assert "secret" not in repr(Settings(kafka_sasl_password="secret"))


def ask(url, data=None):
    """Send a request over HTTP, and return what the answer says."""
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
