"""What the server's certificate says of itself: until when it counts. Nothing else of it is read here.

Python's `ssl` says so only of authorities, and of the other side's certificate; hence these few steps through DER.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

# Tags of ASN.1.
_VERSION = 0xA0
_UTC_TIME = 0x17


class Certificate(NamedTuple):
    """The first certificate of a file, which is the server's own.

    Attributes:
        begins: The moment from which it counts, in seconds since 1970.
        expires: The moment from which it counts no more.
    """

    begins: float
    expires: float

    @classmethod
    def read(cls, file: str) -> Certificate:
        """Read it from a PEM file.

        Raises:
            OSError: The file cannot be read.
            ValueError: There is no certificate in it.
        """
        found = _PEM.search(Path(file).read_bytes())
        if found is None:
            raise ValueError("no certificate is in it")
        try:
            der = ssl.PEM_cert_to_DER_cert(found[0].decode("ascii"))
            _, certificate, _ = _element(der)
            _, signed, _ = _element(certificate)
            tag, _, rest = _element(signed)
            if tag == _VERSION:
                _, _, rest = _element(rest)  # the serial number
            _, _, rest = _element(rest)  # the algorithm of the signature
            _, _, rest = _element(rest)  # the issuer
            _, validity, _ = _element(rest)
            begin_tag, begin, rest = _element(validity)
            end_tag, end, _ = _element(rest)
            return cls(_moment(begin_tag, begin), _moment(end_tag, end))
        except (IndexError, ValueError) as error:
            raise ValueError("its certificate is damaged") from error


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """Return the tag and the content of the first element, and what follows it."""
    tag, length, start = der[0], der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if start + length > len(der):
        raise ValueError("cut off")
    return tag, der[start : start + length], der[start + length :]


def _moment(tag: int, text: bytes) -> float:
    if tag == _UTC_TIME:  # two digits of the year; from 50 on, those of the last century
        text = (b"19" if text >= b"5" else b"20") + text
    return datetime.strptime(text.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
