"""Objects to JSON and back, as codecs of users' own call it."""

from __future__ import annotations

from json import JSONEncoder
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from mlserver.codecs.lists import as_list

if TYPE_CHECKING:
    from mlcore_protocol import RequestInput, ResponseOutput

__all__ = [
    "JSONEncoderWithArray",
    "decode_from_bytelike_json_to_dict",
    "decode_json_input_or_output",
    "encode_to_json",
    "encode_to_json_bytes",
]


class JSONEncoderWithArray(JSONEncoder):
    """Writes numpy arrays as lists."""

    def default(self, obj: Any) -> Any:
        """Return what can be written in place of an object."""
        return obj.tolist() if isinstance(obj, np.ndarray | np.generic) else super().default(obj)


def encode_to_json(v: Any, use_bytes: bool = True) -> str | bytes:
    """Return an object as JSON; arrays become lists."""
    written = encode_to_json_bytes(v)
    return written if use_bytes else written.decode()


def encode_to_json_bytes(v: Any) -> bytes:
    """Return an object as JSON; arrays become lists."""
    return orjson.dumps(v, option=orjson.OPT_SERIALIZE_NUMPY)


def decode_from_bytelike_json_to_dict(v: bytes | str) -> Any:
    """Return the object that JSON holds."""
    return orjson.loads(v)


def decode_json_input_or_output(input_or_output: RequestInput | ResponseOutput) -> list[Any]:
    """Return the object that each element of a tensor holds as JSON."""
    return [orjson.loads(element) for element in as_list(input_or_output.data.root)]
