"""TLS of every transport, on real sockets: who is let in, and what clients see of a certificate that is exchanged."""

import contextlib
import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import time
from urllib.parse import urlsplit

import grpc
import pytest
import trustme
from certificates import CertificateFiles
from many import MODEL
from mlcore.testing import start_server
from standing import Standing

READY = "/inference.GRPCInferenceService/ServerReady"
PATIENCE_S = 30
HANDSHAKE_S = 5


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return CertificateFiles(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def client(files):
    """Return what a client that may come in encrypts with."""
    context = ssl.create_default_context(cafile=str(files.ca))
    files.authority.issue_cert("client").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def encrypted(files, client, tmp_path_factory):
    """Return a server that lets in whoever shows a certificate."""
    folder = tmp_path_factory.mktemp("encrypted")
    (folder / "many.py").write_text(MODEL)
    (folder / "model-settings.json").write_text(json.dumps({"name": "many", "implementation": "many.Many"}))
    settings = {**files.settings, "tls_client_ca": str(files.ca), "tls_handshake_timeout": HANDSHAKE_S}
    (folder / "settings.json").write_text(json.dumps(settings))
    server = start_server(folder, "--parallel-workers", "0", tls=client)
    yield server
    assert server.stop() == 0


@pytest.fixture
def standing(encrypted):
    stood = Standing(encrypted)
    yield stood
    stood.check()


def address(server, transport):
    place = urlsplit(server.urls[transport])
    return place.hostname, place.port


def get(server, transport, context):
    path = "/metrics" if transport == "metrics" else "/v2/health/ready"
    connection = http.client.HTTPSConnection(*address(server, transport), timeout=PATIENCE_S, context=context)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


def ready(server, files, issued=None):
    """Ask over gRPC, and return the code."""
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes()) if issued else (None, None)
    credentials = grpc.ssl_channel_credentials(files.authority.cert_pem.bytes(), *pair)
    with grpc.secure_channel(server.urls["grpc"].partition("://")[2], credentials) as channel:
        try:
            channel.unary_unary(READY)(b"", timeout=PATIENCE_S)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def certificate_of(server, transport, context):
    with (
        socket.create_connection(address(server, transport), PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        return ssl.DER_cert_to_PEM_cert(connection.getpeercert(True)).encode()


def test_every_transport_is_encrypted_by_the_same_settings(encrypted, files, client, standing):
    assert {name: url.partition("://")[0] for name, url in encrypted.urls.items()} == {
        "grpc": "grpcs",
        "metrics": "https",
        "rest": "https",
    }
    assert get(encrypted, "rest", client) == 200
    assert get(encrypted, "metrics", client) == 200
    assert ready(encrypted, files, files.authority.issue_cert("client")) is grpc.StatusCode.OK


def test_a_large_request_and_answer_pass(encrypted, standing):
    text = "x" * 3_000_000
    answer = encrypted.infer("many", {"name": "same", "datatype": "BYTES", "shape": [1], "data": [text]})

    assert answer.json()["outputs"][0]["data"] == [text]


@pytest.mark.parametrize("transport", ["rest", "metrics"])
@pytest.mark.parametrize("authority", [None, "another"])
def test_a_client_without_the_right_certificate_is_not_let_in(encrypted, files, standing, transport, authority):
    context = ssl.create_default_context(cafile=str(files.ca))
    if authority is not None:
        trustme.CA().issue_cert("client").configure_cert(context)

    with pytest.raises(OSError, match=r"alert|closed|reset|EOF|pipe"):
        get(encrypted, transport, context)
    assert ready(encrypted, files) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("transport", ["rest", "grpc", "metrics"])
def test_a_client_that_does_not_encrypt_is_not_let_in(encrypted, standing, transport):
    with socket.create_connection(address(encrypted, transport), PATIENCE_S) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP/1.1 200" not in connection.recv(65536)


@pytest.mark.parametrize("transport", ["rest", "grpc", "metrics"])
def test_a_version_below_1_2_is_not_spoken(encrypted, files, standing, transport):
    host, port = address(encrypted, transport)
    asked = ["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]

    assert subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode != 0


def test_a_client_that_connects_and_says_nothing_is_closed(encrypted, standing):
    with contextlib.ExitStack() as open_ones:
        connections = [
            open_ones.enter_context(socket.create_connection(address(encrypted, transport), PATIENCE_S))
            for transport in encrypted.urls
        ]
        for connection in connections:
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""


def test_f45_new_connections_get_a_new_certificate_and_old_ones_live_on(encrypted, files, client, standing):
    old = http.client.HTTPSConnection(*address(encrypted, "rest"), timeout=PATIENCE_S, context=client)
    with contextlib.closing(old):
        old.request("GET", "/v2/health/live")
        old.getresponse().read()
        before = old.sock
        new = files.issue(30).cert_chain_pems[0].bytes()

        end = time.monotonic() + PATIENCE_S
        while certificate_of(encrypted, "rest", client) != new:
            assert time.monotonic() < end, "the new certificate is not used"
            time.sleep(0.05)
        assert certificate_of(encrypted, "grpc", client) == new
        assert certificate_of(encrypted, "metrics", client) == new
        old.request("GET", "/v2/health/live")
        assert old.getresponse().read() is not None
        assert old.sock is before, "the old connection lives on"
    metrics = http.client.HTTPSConnection(*address(encrypted, "metrics"), timeout=PATIENCE_S, context=client)
    with contextlib.closing(metrics):
        metrics.request("GET", "/metrics")
        shown = metrics.getresponse().read().decode()
    (expiry,) = re.findall(r"^mlcore_tls_certificate_expiry_seconds(?:\{.*\})? (\S+)$", shown, re.MULTILINE)
    assert 29 < (float(expiry) - time.time()) / 86400 <= 30


# --- settings that cannot be used ---


def _no_key(files):
    files.key.unlink()


def _other_key(files):
    files.key.write_bytes(files.issued().private_key_pem.bytes())


def _key_in_text(files):
    files.key.write_text("not a key")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_key, "tls_certificate, tls_key: they cannot be used: No such file or directory"),
        (_other_key, "tls_certificate, tls_key: they cannot be used: the key is not that of the certificate"),
        (_key_in_text, "tls_certificate, tls_key: they cannot be used: not in PEM format, or damaged"),
        (lambda files: files.issue(-2), r"tls_certificate: it expired on \d{4}-\d\d-\d\d; replace it"),
    ],
    ids=["missing", "mismatch", "damaged", "expired"],
)
def test_b139_a_pair_that_cannot_be_used_ends_the_start_with_2(tmp_path, spoil, message):
    files = CertificateFiles(tmp_path)
    spoil(files)
    (tmp_path / "settings.json").write_text(json.dumps(files.settings))

    ended = subprocess.run(
        [sys.executable, "-m", "mlcore", "serve", str(tmp_path), "--parallel-workers", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert ended.returncode == 2
    assert re.fullmatch(f"mlcore: error: {message}.*\n", ended.stderr), ended.stderr
