"""Content type `base64`: bytes that travel as text."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Any

from mlcore_protocol import Datatype
from mlcore_protocol.errors import CodecError

from mlcore.codecs.interface import InputCodec, Tensor
from mlcore.codecs.string_codec import byte_elements


class Base64Codec(InputCodec):
    """One tensor as a list of bytes.

    Shapes:
        A list of N items is written as (N, 1). Any shape is read, in row-major order.
    """

    ContentType = "base64"
    TypeHint = list[bytes]

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Say whether this is a list of bytes and texts."""
        return isinstance(payload, list) and all(isinstance(item, bytes | str) for item in payload)

    @classmethod
    def write(
        cls, payload: list[bytes | str], use_bytes: bool = True, **options: Any
    ) -> tuple[list[int], Datatype, Any]:
        """Return shape, datatype and the base64 texts, as `bytes` or `str`."""
        encoded = [b64encode(item.encode() if isinstance(item, str) else item) for item in payload]
        return [len(encoded), 1], Datatype.BYTES, encoded if use_bytes else [item.decode() for item in encoded]

    @classmethod
    def read(cls, tensor: Tensor) -> list[bytes]:
        """Return the bytes. An element that is not base64 is taken as it is, as clients have come to expect.

        Raises:
            CodecError: The tensor is not BYTES, or an element is null.
        """
        return [_decoded(element, tensor, index) for index, element in enumerate(byte_elements(tensor, "base64"))]


def _decoded(element: str | bytes | None, tensor: Tensor, index: int) -> bytes:
    if element is None:
        raise CodecError(f"'{tensor.name}'.data[{index}]: expected base64 text, got null")
    raw = element.encode() if isinstance(element, str) else element
    try:
        return b64decode(raw, validate=True)
    except binascii.Error:
        return raw
