"""Content type `str`: texts."""

from __future__ import annotations

from typing import Any

import numpy as np
from mlcore_protocol import Datatype
from mlcore_protocol.errors import CodecError
from mlcore_protocol.json_tensor import elements_of

from mlcore.codecs.interface import InputCodec, SingleTensorRequestCodec, Tensor


class StringCodec(InputCodec):
    """One tensor as a list of texts.

    Shapes:
        A list of N texts is written as (N, 1). Any shape is read, in row-major order.
    """

    ContentType = "str"
    TypeHint = list[str]

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Say whether this is a list of texts."""
        return isinstance(payload, list) and all(isinstance(item, str) for item in payload)

    @classmethod
    def write(cls, payload: list[str], use_bytes: bool = True, **options: Any) -> tuple[list[int], Datatype, Any]:
        """Return shape, datatype and the texts.

        Args:
            payload: The texts.
            use_bytes: Whether the elements are UTF-8 `bytes` (for raw formats) or `str` (for JSON).
            options: None.
        """
        elements = [item.encode() if use_bytes and isinstance(item, str) else item for item in payload]
        return [len(elements), 1], Datatype.BYTES, elements

    @classmethod
    def read(cls, tensor: Tensor) -> list[str | None]:
        """Return the texts; one that is missing, null in JSON, is `None`.

        Raises:
            CodecError: The tensor is not BYTES, or an element is not UTF-8.
        """
        texts: list[str | None] = []
        for index, element in enumerate(byte_elements(tensor, cls.ContentType)):
            if element is None or isinstance(element, str):
                texts.append(element)
                continue
            try:
                texts.append(element.decode())
            except UnicodeDecodeError as error:
                raise CodecError(
                    f"'{tensor.name}'.data[{index}]: not UTF-8 at byte {error.start}; send text as UTF-8"
                ) from None
        return texts


class StringRequestCodec(SingleTensorRequestCodec):
    """A request of one tensor as a list of texts."""

    ContentType = "str"
    InputCodec = StringCodec


def byte_elements(tensor: Tensor, content_type: str) -> list[Any]:
    """Return the elements of a BYTES tensor, flat: `str`, `bytes` or `None`.

    Raises:
        CodecError: The tensor has another datatype.
    """
    if tensor.datatype is not Datatype.BYTES:
        raise CodecError(
            f"'{tensor.name}': the content type '{content_type}' needs the datatype BYTES, got {tensor.datatype}"
        )
    values = tensor.data.values
    if isinstance(values, np.ndarray):
        return list(values.reshape(-1).tolist())
    return elements_of(values, tensor.datatype, tensor.shape, f"'{tensor.name}'")
