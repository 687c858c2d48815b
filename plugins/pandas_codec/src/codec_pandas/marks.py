"""The parameters by which a column says what its tensor alone does not: dtype, categories, what stands for a null.

All of them hold for the column as a whole, never for one row: requests with equal parameters are merged into batches,
and responses are split again. A reader that does not know them still gets the values.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd

DTYPE = "pd_dtype"
"""The dtype, as pandas writes it, where a reader would take another. One that it cannot have counts as none."""

CATEGORIES = "pd_categories"
"""The categories in their order, as a JSON list; points in time as texts."""

ORDERED = "pd_ordered"
"""Whether the order of the categories has a meaning."""

EMPTY_IS_NULL = "pd_empty_is_null"
"""An empty text is a missing one: formats without nulls, binary tensors and gRPC, write it so."""

INTEGERS = frozenset({"Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"})
FLOATS = frozenset({"Float32", "Float64"})
NULLABLE = INTEGERS | FLOATS | {"boolean"}
"""pandas' own nullable dtypes for numbers."""

ARROW = {
    **{f"{name.lower()}[pyarrow]": name for name in INTEGERS},
    "float[pyarrow]": "Float32",
    "double[pyarrow]": "Float64",
    "bool[pyarrow]": "boolean",
}
"""The dtypes of numbers that Arrow holds, and the nullable ones with the same values."""

ARROW_TEXTS = frozenset({"string[pyarrow]", "large_string[pyarrow]"})

# Names come from clients: only these are ever given to pandas, which would also read files and make types of any size.
TEXTS = frozenset({"str", "string", "object"}) | ARROW_TEXTS
"""The dtypes that texts may have."""


@cache
def text_dtype() -> Any:
    """Return the dtype that this pandas gives texts: `object` before 3, `str` from there on."""
    return pd.Series([""]).dtype
