"""Content type `datetime`: points in time as ISO 8601 text."""

from mlcore.codecs import DatetimeCodec

__all__ = ["DatetimeCodec"]
