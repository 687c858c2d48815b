"""Content type `str`: texts."""

from __future__ import annotations

from mlcore.codecs import StringCodec, StringRequestCodec

__all__ = ["StringCodec", "StringRequestCodec", "decode_str", "encode_str"]


def encode_str(elem: str) -> bytes:
    """Return a text as UTF-8."""
    return elem.encode()


def decode_str(encoded: bytes | str, str_codec: str = "utf-8") -> str:
    """Return the text that bytes hold; a text as it is."""
    return encoded.decode(str_codec) if isinstance(encoded, bytes) else encoded
