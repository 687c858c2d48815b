"""What this distribution offers to mlcore. It must not import pandas: every server reads it at start."""

from __future__ import annotations

from mlcore import hookimpl


@hookimpl
def mlcore_codecs() -> dict[str, list[str]]:
    """Offer `pd` for whole requests, and `pd_json` for one column of lists, dicts or other JSON."""
    return {
        "pd": ["codec_pandas.codec:PandasCodec"],
        "pd_json": ["codec_pandas.json_cells:JsonCellsCodec"],
    }
