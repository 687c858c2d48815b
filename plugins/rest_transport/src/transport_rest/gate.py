"""What the parser lets pass and this server does not: heads that two servers in a row could read differently.

llhttp itself, without its leniencies, refuses folded lines, line ends without CR, lengths twice or beside chunks, and
everything else that is no HTTP/1.1; tests/reliability/test_http_framing.py holds it to that.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transport_rest.limits import HttpLimits

    Fields = list[tuple[bytes, bytes]]

VERSIONS = ("1.1", "1.0")

# A name or an address of RFC 3986, and a port: neither user nor path.
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+(?:%25[\w.~-]+)?\])(?::[0-9]{0,5})?")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: ?chunked *\r\n", re.IGNORECASE)


class Refusal(Exception):
    """A request that is refused before it begins; the connection ends with it.

    Args:
        status: The status that it is answered with.
        message: What its client is told.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


NOT_HTTP = Refusal(400, "this is not a valid HTTP/1.1 request")


def check_size(limits: HttpLimits, url: bytes, fields: Fields, size: int) -> None:
    """Refuse a head that is too large.

    Args:
        limits: What is too large.
        url: What has come of its address.
        fields: What has come of its fields.
        size: The most bytes that it can have.

    Raises:
        Refusal: It is.
    """
    if len(url) > limits.max_url_bytes:
        raise Refusal(414, f"the address is longer than {limits.max_url_bytes} bytes, the setting max_url_bytes")
    if len(fields) > limits.max_headers:
        raise Refusal(431, f"there are more than {limits.max_headers} header fields, the setting max_headers")
    if size > limits.max_header_bytes:
        text = f"the head of the request is larger than {limits.max_header_bytes} bytes, the setting max_header_bytes"
        raise Refusal(431, text)


def size_of(url: bytes, fields: Fields) -> int:
    """Return the bytes of a head, without method and version."""
    return len(url) + sum(len(name) + len(value) + 4 for name, value in fields)


def check_head(version: str, fields: Fields, by_name: dict[bytes, bytes], sent: bytes) -> bool:
    """Refuse a head that leaves open where its body ends or whom it is for; say whether the body comes in chunks.

    Args:
        version: The version of HTTP.
        fields: Its fields.
        by_name: The same, where each name has its last value.
        sent: What the client sent, the head somewhere in it.

    Raises:
        Refusal: It does.
    """
    if version not in VERSIONS:
        raise Refusal(505, f"expected HTTP/1.1 or HTTP/1.0, got HTTP/{version}")
    host = by_name.get(b"host")
    if host is None:
        if version == "1.1":
            raise Refusal(400, "Host: a request of HTTP/1.1 has one, got none")
    elif not _is_host(host):
        raise Refusal(400, f"Host: expected a name or an address, got '{host[:64].decode('latin-1')}'")
    if len(by_name) != len(fields) and sum(name == b"host" for name, _ in fields) > 1:
        raise Refusal(400, "Host: expected one, got several")
    coding = by_name.get(b"transfer-encoding")
    if coding is None:
        return False
    if version != "1.1":
        raise Refusal(400, f"Transfer-Encoding: HTTP/{version} has none; send Content-Length")
    if coding.strip().lower() != b"chunked" or sum(name == b"transfer-encoding" for name, _ in fields) > 1:
        shown = coding[:64].decode("latin-1")
        raise Refusal(501, f"Transfer-Encoding: expected chunked alone, got '{shown}'; use Content-Encoding")
    if not _CHUNKED.search(sent):
        raise Refusal(400, "Transfer-Encoding: expected chunked after one space")
    return True


@lru_cache(1024)  # clients name few
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None
