"""Content type `datetime`: points in time as ISO 8601 text."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mlcore_protocol import Datatype
from mlcore_protocol.errors import CodecError

from mlcore.codecs.interface import InputCodec, Tensor
from mlcore.codecs.string_codec import StringCodec


class DatetimeCodec(InputCodec):
    """One tensor as a list of `datetime`.

    Shapes:
        A list of N items is written as (N, 1). Any shape is read, in row-major order.
    """

    ContentType = "datetime"
    TypeHint = list[datetime]

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Say whether this is a list of datetimes and texts."""
        return isinstance(payload, list) and all(isinstance(item, datetime | str) for item in payload)

    @classmethod
    def write(
        cls, payload: list[datetime | str], use_bytes: bool = True, **options: Any
    ) -> tuple[list[int], Datatype, Any]:
        """Return shape, datatype and the ISO 8601 texts, as `bytes` or `str`."""
        texts = [item.isoformat() if isinstance(item, datetime) else item for item in payload]
        return [len(texts), 1], Datatype.BYTES, [text.encode() for text in texts] if use_bytes else texts

    @classmethod
    def read(cls, tensor: Tensor) -> list[datetime]:
        """Return the datetimes.

        Raises:
            CodecError: The tensor is not BYTES, or an element is not ISO 8601.
        """
        return [_parsed(text, tensor, index) for index, text in enumerate(StringCodec.read(tensor))]


def _parsed(text: str | None, tensor: Tensor, index: int) -> datetime:
    try:
        return datetime.fromisoformat(text or "")
    except ValueError:
        got = "null" if text is None else repr(text[:64])
        raise CodecError(f"'{tensor.name}'.data[{index}]: expected an ISO 8601 date and time, got {got}") from None
