import time

import pytest
from certificates import CertificateFiles
from cryptography import x509
from mlcore.tls import Certificate


@pytest.mark.parametrize("days", [-1, 14, 365 * 30])
def test_a_certificate_says_from_when_to_when_it_counts(tmp_path, days):
    files = CertificateFiles(tmp_path)
    files.issue(days)

    read = Certificate.read(str(files.certificate))

    known = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    assert read.begins == known.not_valid_before_utc.timestamp()
    assert read.expires == known.not_valid_after_utc.timestamp()
    assert (read.expires > time.time()) is (days > 0)


def test_the_first_certificate_of_a_file_counts_whatever_stands_before_it(tmp_path):
    files = CertificateFiles(tmp_path)
    expected = Certificate.read(str(files.certificate))
    chain = b"".join([files.key.read_bytes(), files.certificate.read_bytes(), files.ca.read_bytes()])
    files.certificate.write_bytes(b"subject: somebody\n" + chain)

    assert Certificate.read(str(files.certificate)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no certificate is in it"),
        ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", "its certificate is damaged"),
        ("-----BEGIN CERTIFICATE-----\nMIIBaaaa\n-----END CERTIFICATE-----", "its certificate is damaged"),
    ],
)
def test_a_file_without_a_whole_certificate_is_refused(tmp_path, text, message):
    (tmp_path / "file.pem").write_text(text)

    with pytest.raises(ValueError, match=message):
        Certificate.read(str(tmp_path / "file.pem"))
