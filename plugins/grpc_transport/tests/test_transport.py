"""The transport's start and stop, its ports, and TLS."""

from __future__ import annotations

import socket

import grpc
import pytest
import trustme
from mlcore import ModelSettings, Server
from mlcore.errors import PortInUseError, SettingsError
from transport_grpc.plugin import mlcore_transports

from .conftest import Echo
from .wire import SERVICE, assert_well, eventually, framed, infer, request, said


def test_the_plugin_offers_the_transport():
    assert mlcore_transports() == {"grpc": "transport_grpc.transport:GrpcTransport"}


def test_the_address_has_the_real_port(server):
    host, _, port = server.address.rpartition(":")

    assert host == "127.0.0.1"
    assert int(port) > 0


async def test_a_port_that_is_taken_stops_the_start():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{port}.*--grpc-port"):
            await made(grpc_port=port).start()


async def test_a_server_that_never_started_stops():
    server = made()
    (transport,) = server.transports
    transport.bind()
    await transport.stop(0)


def made(**options):
    options = {"transports": ["grpc"], "grpc_port": 0, "parallel_workers": 0, **options}
    return Server(models=[ModelSettings(name="echo", implementation=Echo)], **options)


async def test_it_listens_on_ipv6_too():
    async with made(host="::1") as server:
        assert server.url("grpc").startswith("grpc://[::1]:")


# --- stop ---


def test_a_call_that_is_under_way_is_finished_at_stop(serve, connect):
    server = serve()
    wire = connect(server)
    wire.ask(1, "pause 0.5")
    eventually(lambda: server.asked)
    stopping = server.begin(server.server.stop())
    wire.read(lambda wire: wire.goaways)
    assert wire.goaways == [(0, 2**31 - 1)]

    wire.ask(3, "say on its way")
    assert wire.over(3) == 0
    assert wire.over(1) == 0
    pong = wire.pings[-1]
    wire.send(b"\x00\x00\x08\x06\x01\x00\x00\x00\x00" + pong)
    assert wire.closed() == 0
    assert wire.goaways[-1] == (0, 3)
    stopping.result(60)


def test_a_client_that_has_nothing_under_way_does_not_hold_up_the_stop(serve, connect):
    server = serve()
    with grpc.insecure_channel(server.address) as channel:
        infer(channel, "say hello")
        server.run(server.server.stop())


def test_an_open_stream_is_ended_when_its_requests_are_answered(serve, connect):
    server = serve()
    wire = connect(server)
    wire.send(wire.head(1, path=f"{SERVICE}/ModelStreamInfer"))
    wire.send(wire.body(1, framed(request("pause 1")), ends=False))
    eventually(lambda: server.asked)
    stopping = server.begin(server.server.stop())

    assert wire.over(1) == 14
    assert wire.message(1) == "the server is stopping"
    assert wire.data[1]
    stopping.result(60)


def test_f22_calls_that_outlive_the_grace_period_are_told_so(serve, connect):
    server = serve(grace_period=0.3)
    wire = connect(server)
    wire.ask(1, "wait grace")
    eventually(lambda: "wait grace" in server.asked)
    stopping = server.begin(server.server.stop())

    assert wire.over(1) == 14
    assert wire.message(1) == "the server stopped before this request was done"
    eventually(lambda: "grace" in server.cancelled)
    stopping.result(60)


def test_a_stop_that_is_hurried_gives_calls_up_at_once(serve, connect):
    server = serve(grace_period=60)
    wire = connect(server)
    wire.ask(1, "wait hurry")
    eventually(lambda: "wait hurry" in server.asked)
    stopping = server.begin(server.server.stop())
    wire.read(lambda wire: wire.goaways)
    server.call(server.server.hurry)

    assert wire.over(1) == 14
    stopping.result(60)


def test_new_clients_are_refused_after_the_stop(serve):
    server = serve()
    server.run(server.server.stop())

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.address.rsplit(":", 1))


# --- TLS ---


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def certificate(authority, tmp_path):
    """Return the settings of a server with a certificate, and write its files."""
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return {"tls_certificate": str(tmp_path / "certificate.pem"), "tls_key": str(tmp_path / "key.pem")}


def secure(server, authority, issued=None):
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes()) if issued else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes(), *pair)
    return grpc.secure_channel(f"localhost:{server.address.rpartition(':')[2]}", credentials)


def test_calls_may_be_encrypted(serve, authority, certificate):
    server = serve(**certificate)
    with secure(server, authority) as channel:
        assert said(infer(channel, "large 3000000")) == "x" * 3_000_000


def test_clients_may_have_to_show_a_certificate(serve, authority, certificate, tmp_path):
    server = serve(**certificate, tls_client_ca=str(tmp_path / "ca.pem"))
    with secure(server, authority, authority.issue_cert("client")) as channel:
        assert said(infer(channel, "say hello")) == "hello"
    for other in (None, trustme.CA().issue_cert("client")):
        with secure(server, authority, other) as channel, pytest.raises(grpc.RpcError) as error:
            infer(channel, "say hello")
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_client_that_does_not_encrypt_is_refused(serve, certificate):
    server = serve(**certificate)
    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as error:
        infer(channel, "say hello")

    assert error.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tls_key": "k.pem"}, "tls_certificate: missing"),
        ({"tls_client_ca": "c.pem"}, "tls_certificate: missing"),
        ({"tls_certificate": "nope.pem"}, "tls_certificate, tls_key: they cannot be used: No such file"),
    ],
)
async def test_files_that_cannot_be_used_stop_the_start(settings, message):
    with pytest.raises(SettingsError, match=message):
        await made(**settings).start()


async def test_an_authority_that_cannot_be_used_stops_the_start(certificate, tmp_path):
    (tmp_path / "bad.pem").write_text("bad")
    with pytest.raises(SettingsError, match="tls_client_ca: it cannot be used"):
        await made(**certificate, tls_client_ca=str(tmp_path / "bad.pem")).start()


def test_the_control_inference_is_right(server):
    assert_well(server.address)
