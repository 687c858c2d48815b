"""Codecs: one tensor, or a whole request, to a Python object and back."""

from importlib import import_module
from typing import Any

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

# Names that model code written for MLServer imports from here, and the distributions that have them now.
_MOVED = {"PandasCodec": ("codec_pandas", "codec-pandas")}


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module 'mlcore.codecs' has no attribute {name!r}")
    home, distribution = _MOVED[name]
    try:
        module = import_module(home)
    except ModuleNotFoundError as error:
        if error.name != home:
            raise
        # An AttributeError would lose its text on the way out of `from mlcore.codecs import ...`.
        raise ModuleNotFoundError(
            f"{name} is not part of the core: install the distribution {distribution}", name=home
        ) from None
    return getattr(module, name)
