"""The pandas codec of mlcore: whole requests and responses as DataFrames.

pandas is imported with the first name that is asked for, so that the hooks stay light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codec_pandas.codec import PandasCodec
    from codec_pandas.json_cells import JsonCellsCodec

__all__ = ["JsonCellsCodec", "PandasCodec"]

_HOMES = {"JsonCellsCodec": "codec_pandas.json_cells", "PandasCodec": "codec_pandas.codec"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'codec_pandas' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
