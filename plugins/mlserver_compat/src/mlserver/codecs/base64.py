"""Content type `base64`: bytes that travel as text."""

from mlcore.codecs import Base64Codec

__all__ = ["Base64Codec"]
