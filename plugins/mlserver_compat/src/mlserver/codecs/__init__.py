"""Codecs: one tensor, or a whole request, to a Python object and back. `PandasCodec` comes at first use."""

from typing import Any

from mlcore.codecs import decode_args

from mlserver.codecs.base import (
    InputCodec,
    InputCodecLike,
    RequestCodec,
    RequestCodecLike,
    register_input_codec,
    register_request_codec,
)
from mlserver.codecs.base64 import Base64Codec
from mlserver.codecs.datetime import DatetimeCodec
from mlserver.codecs.errors import CodecError
from mlserver.codecs.numpy import NumpyCodec, NumpyRequestCodec
from mlserver.codecs.string import StringCodec, StringRequestCodec
from mlserver.codecs.utils import (
    DecodedParameterName,
    decode_inference_request,
    decode_request_input,
    encode_inference_response,
    encode_response_output,
    get_decoded,
    get_decoded_or_raw,
    has_decoded,
)

__all__ = [
    "Base64Codec",
    "CodecError",
    "DatetimeCodec",
    "DecodedParameterName",
    "InputCodec",
    "InputCodecLike",
    "NumpyCodec",
    "NumpyRequestCodec",
    "PandasCodec",
    "RequestCodec",
    "RequestCodecLike",
    "StringCodec",
    "StringRequestCodec",
    "decode_args",
    "decode_inference_request",
    "decode_request_input",
    "encode_inference_response",
    "encode_response_output",
    "get_decoded",
    "get_decoded_or_raw",
    "has_decoded",
    "register_input_codec",
    "register_request_codec",
]


def __getattr__(name: str) -> Any:
    if name != "PandasCodec":
        raise AttributeError(f"module 'mlserver.codecs' has no attribute {name!r}")
    from mlserver.codecs.pandas import PandasCodec

    return PandasCodec
