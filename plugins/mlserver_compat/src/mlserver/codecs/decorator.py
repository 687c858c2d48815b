"""Methods with typed arguments instead of a request."""

from mlcore.codecs import decode_args

__all__ = ["decode_args"]
