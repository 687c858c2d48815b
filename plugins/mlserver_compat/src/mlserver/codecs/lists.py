"""Lists of texts or bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ListElement = bytes | str


def is_list_of(payload: Any, instance_type: Any) -> bool:
    """Say whether this is a list whose elements all are of a type."""
    return isinstance(payload, list) and all(isinstance(element, instance_type) for element in payload)


def as_list(payload: Any) -> Iterator[bytes | str]:
    """Return the elements of a list, or the one that stands for a list of one."""
    return iter([payload] if isinstance(payload, bytes | str) else payload)
