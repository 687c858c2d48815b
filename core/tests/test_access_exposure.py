"""What the start says of a server that strangers reach."""

import pytest
from mlcore.access.exposure import exposure_of
from mlcore.settings import Settings

AUTH = {"api_keys": [{"name": "a", "sha256": "0" * 64, "scopes": ["infer"]}]}
EVERY = ["rest", "grpc", "metrics"]


def test_a_server_that_anybody_reaches_says_what_is_open_and_how_to_close_it():
    assert exposure_of(Settings(host="0.0.0.0"), EVERY) == (
        "rest, grpc, metrics listen on 0.0.0.0 without authentication: whoever reaches them can ask every model and "
        "see what there is, see the metrics; set auth (mlcore key makes a key), or tls_client_ca, or let host be "
        "127.0.0.1"
    )


def test_an_open_repository_is_said_too():
    assert "load and unload models" in exposure_of(Settings(host="::", repository_api=True), ["grpc"])
    assert "load and unload" not in exposure_of(Settings(host="::", repository_api=True), ["metrics"])


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(host="::1"),
        Settings(host="0.0.0.0", auth=AUTH),
        Settings(host="0.0.0.0", tls_client_ca="ca.pem"),
    ],
)
def test_nothing_is_said_where_strangers_are_kept_out(settings):
    assert exposure_of(settings, EVERY) is None


def test_nothing_is_said_where_nothing_listens():
    assert exposure_of(Settings(host="0.0.0.0"), []) is None


def test_optional_certificates_keep_nobody_out():
    settings = Settings(host="0.0.0.0", tls_client_ca="ca.pem", tls_client_verify="optional")

    assert exposure_of(settings, EVERY) is not None
