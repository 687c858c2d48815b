"""Codecs: one tensor, or a whole request, to a Python object and back."""

from mlcore.codecs.base64_codec import Base64Codec
from mlcore.codecs.datetime_codec import DatetimeCodec
from mlcore.codecs.interface import InputCodec, RequestCodec, SingleTensorRequestCodec
from mlcore.codecs.numpy_codec import NumpyCodec, NumpyRequestCodec
from mlcore.codecs.registry import CodecRegistry, builtin_codecs
from mlcore.codecs.string_codec import StringCodec, StringRequestCodec
from mlcore.codecs.typed_arguments import decode_args
from mlcore.errors import CodecError

__all__ = [
    "Base64Codec",
    "CodecError",
    "CodecRegistry",
    "DatetimeCodec",
    "InputCodec",
    "NumpyCodec",
    "NumpyRequestCodec",
    "RequestCodec",
    "SingleTensorRequestCodec",
    "StringCodec",
    "StringRequestCodec",
    "builtin_codecs",
    "decode_args",
]
