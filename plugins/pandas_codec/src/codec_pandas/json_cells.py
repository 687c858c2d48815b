"""Content type `pd_json`: a column of any JSON values, each as JSON text."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import numpy as np
import orjson
from mlcore.codecs import InputCodec
from mlcore.codecs.string_codec import byte_elements
from mlcore.errors import CodecError, InternalError
from mlcore_protocol import Datatype, RequestInput, ResponseOutput

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


class JsonCellsCodec(InputCodec):
    """One tensor as a list of JSON values: dicts, lists, texts, numbers, booleans and `None`.

    It is taken only where it is named, never for the sake of a value.

    Shapes:
        A list of N values is written as (N, 1). Any shape is read, in row-major order.
    """

    ContentType = "pd_json"

    @classmethod
    def write(cls, payload: list[Any], use_bytes: bool = True, **options: Any) -> tuple[list[int], Datatype, Any]:
        """Return shape, datatype and the JSON texts, as `bytes` or `str`.

        Raises:
            InternalError: A value has no JSON form.
        """
        texts = []
        for index, cell in enumerate(payload):
            try:
                text = orjson.dumps(cell, _plain, _OPTIONS)
            except orjson.JSONEncodeError as error:
                raise InternalError(f"data[{index}]: has no JSON form: {error.__cause__ or error}") from error
            texts.append(text if use_bytes else text.decode())
        return [len(texts), 1], Datatype.BYTES, texts

    @classmethod
    def read(cls, tensor: RequestInput | ResponseOutput) -> list[Any]:
        """Return the values. An element that is missing or empty is `None`, like JSON's null.

        Raises:
            CodecError: The tensor is not BYTES, or an element is not JSON.
        """
        cells = []
        for index, element in enumerate(byte_elements(tensor, cls.ContentType)):
            try:
                cells.append(orjson.loads(element) if element else None)
            except orjson.JSONDecodeError as error:
                raise CodecError(f"'{tensor.name}'.data[{index}]: not valid JSON: {error}") from None
        return cells


def _plain(value: Any) -> Any:
    """Return what orjson does not know in a form that it does."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} is neither a dict, a list, a text, a number nor a boolean")
