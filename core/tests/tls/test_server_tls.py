import asyncio
import logging
import ssl

import pytest
from certificates import CertificateFiles, put
from many import eventually
from mlcore.errors import SettingsError
from mlcore.settings import Settings
from mlcore.telemetry.tallies import Tallies
from mlcore.tls import Certificate, ServerTls
from mlcore.tls.context import TlsFiles


@pytest.fixture
def files(tmp_path, caplog):
    caplog.set_level(logging.INFO, "mlcore.tls")
    return CertificateFiles(tmp_path)


async def shown(tls: ServerTls, files: CertificateFiles, protocol: str = "h2") -> tuple[bytes, str | None]:
    """Connect, and return the certificate that the server shows, and what is spoken."""
    context = ssl.create_default_context(cafile=str(files.ca))
    context.set_alpn_protocols(["h2", "http/1.1"])
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, **tls.options(protocol))
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=context)
        connection = writer.get_extra_info("ssl_object")
        found = ssl.DER_cert_to_PEM_cert(connection.getpeercert(True)).encode(), connection.selected_alpn_protocol()
        writer.close()
        return found


async def test_without_a_certificate_nothing_is_encrypted():
    tls = ServerTls(Settings())

    assert not tls.is_on
    assert tls.options("h2") == {}
    assert list(tls.remarks()) == []


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
async def test_clients_agree_on_what_is_spoken(files, protocol):
    tls = ServerTls(Settings(**files.settings))

    assert (await shown(tls, files, protocol))[1] == protocol


def test_versions_below_1_2_are_not_spoken(files):
    context = TlsFiles.of(Settings(**files.settings)).context("h2")

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_b139_an_expired_certificate_is_an_error(files):
    files.issue(-1)

    with pytest.raises(SettingsError, match=r"^tls_certificate: it expired on 20\d\d-\d\d-\d\d; replace it$"):
        ServerTls(Settings(**files.settings))


def test_b139_an_encrypted_key_is_an_error_not_a_question(files):
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"secret")
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))

    with pytest.raises(SettingsError, match="tls_key: it is encrypted"):
        ServerTls(Settings(**files.settings))


def test_b139_a_key_that_all_may_read_is_warned_of(files):
    files.key.chmod(0o644)

    (remark,) = ServerTls(Settings(**files.settings)).remarks()

    assert remark == f"tls_key: everybody on this machine may read '{files.key}'; chmod 600 it"


def test_f45_a_certificate_that_expires_within_14_days_is_warned_of(files):
    files.issue(13.5)

    (remark,) = ServerTls(Settings(**files.settings)).remarks()

    assert remark.startswith("tls_certificate: it expires in 1")


async def test_f45_a_changed_pair_is_used_once_it_is_whole_and_until_then_the_old_one(files, caplog):
    tallies = Tallies()
    tls = ServerTls(Settings(**files.settings), tallies)
    old = files.certificate.read_bytes()
    new = files.issued(40)
    tls.start()
    try:
        assert (await shown(tls, files))[0] == old

        put(files.certificate, new.cert_chain_pems[0].bytes())
        await eventually(lambda: "cannot be used, so the old ones stay" in caplog.text)
        assert (await shown(tls, files))[0] == old

        put(files.key, new.private_key_pem.bytes())
        await eventually(lambda: "new connections use the new certificate" in caplog.text)
        assert (await shown(tls, files))[0] == new.cert_chain_pems[0].bytes()
    finally:
        tls.stop()

    assert caplog.text.count("cannot be used") == 1
    ((_, values),) = tallies.observed()
    assert values == [((), Certificate.read(str(files.certificate)).expires)]


async def test_f45_an_exchanged_link_is_a_change(files, tmp_path, caplog):
    """This is how Kubernetes replaces the files of a secret: all at once, by a link to another folder."""
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
        issued = files.issued()
        (folder / "server.pem").write_bytes(issued.cert_chain_pems[0].bytes())
        (folder / "server.key").write_bytes(issued.private_key_pem.bytes())
    (tmp_path / "data").symlink_to("first")
    place = tmp_path / "data"
    tls = ServerTls(Settings(tls_certificate=str(place / "server.pem"), tls_key=str(place / "server.key")))
    tls.start()
    try:
        (tmp_path / "next").symlink_to("second")
        (tmp_path / "next").replace(place)

        await eventually(lambda: "new connections use the new certificate" in caplog.text)
        assert (await shown(tls, files))[0] == (folders[1] / "server.pem").read_bytes()
    finally:
        tls.stop()


async def test_f45_an_expired_certificate_does_not_replace_the_old_one(files, caplog):
    old = files.certificate.read_bytes()
    expired = files.issued(-1)
    tls = ServerTls(Settings(**files.settings))
    tls.options("h2")  # as a transport asks at the start
    tls.start()
    try:
        files.write(expired)

        await eventually(lambda: "cannot be used, so the old ones stay" in caplog.text)
        assert (await shown(tls, files))[0] == old
    finally:
        tls.stop()
