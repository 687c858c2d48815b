"""Clients that are known by their certificate, next to those that have a key."""

import contextlib
import http.client
import json
import ssl
from hashlib import sha256
from urllib.parse import urlsplit

import grpc
import pytest
from certificates import CertificateFiles
from mlcore.testing import start_server

PATIENCE_S = 30
METADATA = "/inference.GRPCInferenceService/ServerMetadata"
CHECK = "/grpc.health.v1.Health/Check"
CASES = [
    ("gateway.example", None, 200, "OK"),
    ("other.example", None, 401, "UNAUTHENTICATED"),
    ("infers.example", None, 403, "PERMISSION_DENIED"),
    (None, None, 401, "UNAUTHENTICATED"),
    (None, "a-key", 200, "OK"),
    ("infers.example", "a-key", 200, "OK"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return CertificateFiles(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    (folder / "own.py").write_text("import mlcore\n\n\nclass Own(mlcore.MLModel):\n    pass\n")
    (folder / "model-settings.json").write_text(json.dumps({"name": "own", "implementation": "own.Own"}))
    auth = {
        "api_keys": [{"name": "key", "sha256": sha256(b"a-key").hexdigest(), "scopes": ["metadata"]}],
        "certificates": [
            {"name": "gateway", "subject": "DNS=gateway.example", "scopes": ["metadata"]},
            {"name": "infers", "subject": "CN=infers.example", "scopes": ["infer:absent"]},
        ],
    }
    settings = {**files.settings, "tls_client_ca": str(files.ca), "tls_client_verify": "optional", "auth": auth}
    (folder / "settings.json").write_text(json.dumps(settings))
    started = start_server(folder, "--parallel-workers", "0", tls=ssl.create_default_context(cafile=str(files.ca)))
    yield started
    assert started.stop() == 0


def issued(files, name):
    return files.authority.issue_cert(name, common_name=name)


@pytest.mark.parametrize(("name", "key", "status", "_code"), CASES)
def test_a_certificate_opens_over_rest_what_its_line_says(server, files, name, key, status, _code):
    context = ssl.create_default_context(cafile=str(files.ca))
    if name is not None:
        issued(files, name).configure_cert(context)
    place = urlsplit(server.url)
    connection = http.client.HTTPSConnection(place.hostname, place.port, timeout=PATIENCE_S, context=context)
    with contextlib.closing(connection):
        connection.request("GET", "/v2", headers={} if key is None else {"Authorization": f"Bearer {key}"})
        assert connection.getresponse().status == status


@pytest.mark.parametrize(("name", "key", "_status", "code"), CASES)
def test_a_certificate_opens_over_grpc_what_its_line_says(server, files, name, key, _status, code):
    pair = (None, None)
    if name is not None:
        own = issued(files, name)
        pair = (own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())
    credentials = grpc.ssl_channel_credentials(files.authority.cert_pem.bytes(), *pair)
    metadata = [] if key is None else [("authorization", f"Bearer {key}")]
    with grpc.secure_channel(server.urls["grpc"].partition("://")[2], credentials) as channel:
        for path, message in ((METADATA, b""), (CHECK, b"\x0a\x03own")):
            try:
                channel.unary_unary(path)(message, metadata=metadata, timeout=PATIENCE_S)
                got = "OK"
            except grpc.RpcError as error:
                got = error.code().name
            assert got == code, path
