"""The elements of one tensor: a numpy array, or a flat list for BYTES, with what the client wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


class TensorData:
    """The elements of one tensor, however they arrived.

    A wire format puts a numpy array here (shaped like the tensor), or for BYTES a flat list of `str` or
    `bytes`. Code that builds a message may give any list, nested list or scalar.

    Args:
        values: The elements.
        source: The JSON that the elements were read from, where they were; `root` gives it back.
    """

    __slots__ = ("_source", "values")

    def __init__(self, values: Any, source: msgspec.Raw | None = None) -> None:
        self.values: Any = values.values if isinstance(values, TensorData) else values
        self._source: Any = source

    @property
    def root(self) -> Any:
        """The elements as plain Python objects: as the client wrote them where JSON was, else flat."""
        if self._source is None:
            return self.tolist()
        if isinstance(self._source, msgspec.Raw):  # read once: code that goes by index comes here for each element
            self._source = msgspec.json.decode(self._source)
        return self._source

    def tolist(self) -> Any:
        """Return the elements as plain Python objects; an array's in one flat list, NaN as `None`."""
        if not isinstance(self.values, np.ndarray):
            return self.values
        if self.values.dtype.kind == "V":  # bfloat16, which has no Python objects of its own
            return TensorData(self.values.astype(np.float32)).tolist()
        flat = self.values.reshape(-1)
        elements = flat.tolist()
        if flat.dtype.kind == "f" and np.isnan(flat).any():
            return [None if element != element else element for element in elements]
        return elements

    def __len__(self) -> int:
        return len(self.root)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.root)

    def __getitem__(self, index: Any) -> Any:
        return self.root[index]

    def __eq__(self, other: object) -> bool:
        return bool(self.root == TensorData(other).root)

    __hash__ = None  # type: ignore[assignment]  # equal to a list, which has no hash

    def __repr__(self) -> str:
        return f"TensorData({self.values!r})"
