"""The elements of one tensor: a numpy array, or a flat list for BYTES, with what the client wrote."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class TensorData:
    """The elements of one tensor, however they arrived.

    A wire format puts a numpy array here (shaped like the tensor), or for BYTES a flat list of `str` or
    `bytes`. Code that builds a message may give any list, nested list or scalar.

    Args:
        values: The elements.
        source: What `root` gives back, where that is not `values` flat: JSON to be read, or nested lists.
    """

    __slots__ = ("_source", "values")

    def __init__(self, values: Any, source: msgspec.Raw | list[Any] | None = None) -> None:
        self.values: Any = values.values if isinstance(values, TensorData) else values
        self._source: Any = source

    @classmethod
    def joined(cls, parts: Sequence[TensorData]) -> TensorData:
        """Return the elements of several tensors as those of one, along the first axis.

        Args:
            parts: The tensors, at least one: arrays that differ in nothing but their first axis, or flat lists. All
                of them are nested as written, or none is.
        """
        if isinstance(parts[0].values, np.ndarray):
            values: Any = np.concatenate([part.values for part in parts])
        else:
            values = list(chain.from_iterable(part.values for part in parts))
        data = cls(values)
        if parts[0].is_nested:
            data._source = tuple(parts)
        return data

    @property
    def is_nested(self) -> bool:
        """Whether `root` is nested like the shape, rather than flat."""
        source = self._source
        if isinstance(source, msgspec.Raw):
            return bytes(memoryview(source)[:64]).lstrip().removeprefix(b"[").lstrip().startswith(b"[")
        return isinstance(source, tuple) or (isinstance(source, list) and bool(source) and isinstance(source[0], list))

    @property
    def root(self) -> Any:
        """The elements as plain Python objects: as the client wrote them where JSON was, else flat."""
        if self._source is None:
            return self.tolist()
        if isinstance(self._source, tuple):
            self._source = list(chain.from_iterable(part.root for part in self._source))
        if isinstance(self._source, msgspec.Raw):  # read once: code that goes by index comes here for each element
            self._source = msgspec.json.decode(self._source)
        return self._source

    __root__ = root  # as clients of older servers call it

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
