"""Content type `pd`: DataFrames. Importing this imports pandas."""

from codec_pandas import PandasCodec

__all__ = ["PandasCodec"]
